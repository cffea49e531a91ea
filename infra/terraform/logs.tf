resource "aws_cloudwatch_log_group" "functions" {
  for_each = var.functions

  name              = "/aws/lambda/${each.value}"
  retention_in_days = var.log_retention_in_days
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.name}"
  retention_in_days = var.log_retention_in_days
}

# API Gateway has one role for logs per account and Region.
resource "aws_iam_role" "gateway_logs" {
  count = var.gateway_log_role_arn == null ? 1 : 0

  name_prefix = "api-gateway-logs-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "apigateway.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "gateway_logs" {
  count = var.gateway_log_role_arn == null ? 1 : 0

  role       = aws_iam_role.gateway_logs[0].name
  policy_arn = "arn:${data.aws_partition.chalice.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}

resource "aws_api_gateway_account" "this" {
  cloudwatch_role_arn = coalesce(var.gateway_log_role_arn, one(aws_iam_role.gateway_logs[*].arn))

  depends_on = [aws_iam_role_policy_attachment.gateway_logs]
}
