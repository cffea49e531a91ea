# All that a stage on DynamoDB has and one on PostgreSQL has not.

variable "table" {
  description = "The DynamoDB table of the stage's STORAGE_URL"
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
      "name", "email", "status", "metadata", "created_at", "updated_at", "version",
    ]
  }

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

locals {
  # DynamoDB counts its failures by operation, throttled requests by table.
  table_errors = merge(
    {
      throttled-reads  = { metric = "ReadThrottleEvents", dimensions = {} }
      throttled-writes = { metric = "WriteThrottleEvents", dimensions = {} }
    },
    {
      for operation in ["GetItem", "Query", "TransactWriteItems", "UpdateItem"] :
      "${operation}-errors" => { metric = "SystemErrors", dimensions = { Operation = operation } }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "table_errors" {
  for_each = local.table_errors

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "DynamoDB throttles the table or fails"
  namespace           = "AWS/DynamoDB"
  metric_name         = each.value.metric
  dimensions          = merge({ TableName = var.table }, each.value.dimensions)
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

output "TableName" {
  description = "The DynamoDB table that keeps users and orders"
  value       = aws_dynamodb_table.this.name
}
