# Only a stage on DynamoDB has this file and table_alarms_override.tf; see also events.tf.

variable "table" {
  description = "The DynamoDB table in the stage's STORAGE_URL"
  type        = string
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the table"
  type        = bool
  default     = true
}

resource "aws_dynamodb_table" "this" {
  name                        = var.table
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "PK"
  range_key                   = "SK"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "PK"
    type = "S"
  }

  attribute {
    name = "SK"
    type = "S"
  }

  attribute {
    name = "GSI1PK"
    type = "S"
  }

  attribute {
    name = "GSI1SK"
    type = "S"
  }

  global_secondary_index {
    name            = "GSI1"
    hash_key        = "GSI1PK"
    range_key       = "GSI1SK"
    projection_type = "INCLUDE"
    non_key_attributes = [
      "name", "email", "status", "metadata", "user_name", "external_id", "given_name",
      "family_name", "created_at", "updated_at", "version",
    ]
  }

  # The stream is the outbox of events.
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = true
  }
}

output "TableName" {
  description = "The DynamoDB table with users and orders"
  value       = aws_dynamodb_table.this.name
}
