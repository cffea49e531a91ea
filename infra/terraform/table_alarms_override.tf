# Terraform merges this file into the locals of alarms.tf.
# https://developer.hashicorp.com/terraform/language/files/override

locals {
  # DynamoDB reports errors per operation, and throttled requests per table.
  table_alarms = merge(
    {
      for kind in ["Read", "Write"] : "${var.name}-throttled-${lower(kind)}s" => {
        description = "DynamoDB throttles the table"
        namespace   = "AWS/DynamoDB"
        metric_name = "${kind}ThrottleEvents"
        dimensions  = { TableName = var.table }
      }
    },
    {
      for operation in ["GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"] :
      "${var.name}-${operation}-errors" => {
        description = "DynamoDB fails to run ${operation}"
        namespace   = "AWS/DynamoDB"
        metric_name = "SystemErrors"
        dimensions  = { TableName = var.table, Operation = operation }
      }
    },
  )
}
