locals {
  alarm_actions = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]

  # DynamoDB counts its failures by operation, throttled requests by table.
  table_errors = concat(
    [for metric in ["ReadThrottleEvents", "WriteThrottleEvents"] : {
      metric     = metric
      dimensions = { TableName = var.table }
    }],
    [for operation in ["GetItem", "Query", "TransactWriteItems", "UpdateItem"] : {
      metric     = "SystemErrors"
      dimensions = { TableName = var.table, Operation = operation }
    }],
  )
}

resource "aws_cloudwatch_metric_alarm" "server_errors" {
  alarm_name          = "${var.name}-server-errors"
  alarm_description   = "More than 1 of 100 requests is answered with 5xx"
  namespace           = "AWS/ApiGateway"
  metric_name         = "5XXError"
  dimensions          = { ApiName = var.name, Stage = var.api_stage }
  statistic           = "Average"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  threshold           = 0.01
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "slow_answers" {
  alarm_name          = "${var.name}-slow-answers"
  alarm_description   = "1 of 100 requests takes longer than 3 seconds"
  namespace           = "AWS/ApiGateway"
  metric_name         = "Latency"
  dimensions          = { ApiName = var.name, Stage = var.api_stage }
  extended_statistic  = "p99"
  unit                = "Milliseconds"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  threshold           = 3000
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
}

resource "aws_cloudwatch_metric_alarm" "throttled_functions" {
  alarm_name          = "${var.name}-throttled-functions"
  alarm_description   = "Lambda refuses to run the functions, which have reached a concurrency limit"
  evaluation_periods  = 5
  datapoints_to_alarm = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions

  metric_query {
    id          = "sum"
    expression  = join("+", [for place, _ in var.called_functions : "FILL(m${place},0)"])
    return_data = true
  }

  dynamic "metric_query" {
    for_each = var.called_functions

    content {
      id = "m${metric_query.key}"

      metric {
        namespace   = "AWS/Lambda"
        metric_name = "Throttles"
        dimensions  = { FunctionName = metric_query.value }
        period      = 60
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "table_errors" {
  alarm_name          = "${var.name}-table-errors"
  alarm_description   = "DynamoDB throttles the table or fails"
  evaluation_periods  = 5
  datapoints_to_alarm = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions

  metric_query {
    id          = "sum"
    expression  = join("+", [for place, _ in local.table_errors : "FILL(m${place},0)"])
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.table_errors

    content {
      id = "m${metric_query.key}"

      metric {
        namespace   = "AWS/DynamoDB"
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = 60
        stat        = "Sum"
      }
    }
  }
}
