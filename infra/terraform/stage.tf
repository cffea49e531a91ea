resource "aws_api_gateway_stage" "this" {
  rest_api_id          = aws_api_gateway_rest_api.rest_api.id
  deployment_id        = aws_api_gateway_deployment.rest_api.id
  stage_name           = var.api_stage
  xray_tracing_enabled = true

  # API Gateway writes "-" for a missing value, so numbers are quoted too. Values that a client can
  # choose freely are not logged: they could break the JSON. The caller is in the functions' log, as
  # a hash.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      time                   = "$context.requestTime"
      request_id             = "$context.requestId"
      method                 = "$context.httpMethod"
      route                  = "$context.resourcePath"
      status                 = "$context.status"
      latency_ms             = "$context.responseLatency"
      integration_latency_ms = "$context.integrationLatency"
      response_bytes         = "$context.responseLength"
      ip                     = "$context.identity.sourceIp"
      trace                  = "$context.xrayTraceId"
      error                  = "$context.error.responseType"
    })
  }

  depends_on = [aws_api_gateway_account.this]
}

resource "aws_api_gateway_method_settings" "all" {
  rest_api_id = aws_api_gateway_rest_api.rest_api.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.burst_of_requests
  }
}
