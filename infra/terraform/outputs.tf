output "TableName" {
  description = "The DynamoDB table that keeps users and orders"
  value       = aws_dynamodb_table.this.name
}

output "AccessLogGroup" {
  description = "The log group of the API's access logs"
  value       = aws_cloudwatch_log_group.access.name
}
