output "AccessLogGroup" {
  description = "The log group of the API's access logs"
  value       = aws_cloudwatch_log_group.access.name
}
