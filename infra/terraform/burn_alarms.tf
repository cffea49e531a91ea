locals {
  # The same for CloudFormation is in deployment/burn_alarms.py, which explains the numbers.
  error_budget = 0.001
  burns = {
    fast-burn = { rate = 14.4, long = "1h", short = "5m", spends = "2 % of a month's errors in 1 hour" }
    slow-burn = { rate = 6, long = "6h", short = "30m", spends = "5 % of a month's errors in 6 hours" }
  }
  windows = { "1h" = 3600, "5m" = 300, "6h" = 21600, "30m" = 1800 }

  # With little traffic, one failed request says nothing.
  burn_windows = merge([
    for name, burn in local.burns : {
      for window, fewest in { (burn.long) = 10, (burn.short) = 1 } :
      "${name}-${window}" => { rate = burn.rate, window = window, fewest = fewest }
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "burn" {
  for_each = local.burn_windows

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "Burn rate of the error budget above ${each.value.rate} for ${each.value.window}"
  evaluation_periods  = 1
  datapoints_to_alarm = 1
  threshold           = each.value.rate * local.error_budget
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "share"
    label       = "Share of 5xx"
    expression  = "IF(failed >= ${each.value.fewest}, failed / requests, 0)"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = { failed = ["5XXError", "Sum"], requests = ["Count", "SampleCount"] }

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = "AWS/ApiGateway"
        metric_name = metric_query.value[0]
        stat        = metric_query.value[1]
        period      = local.windows[each.value.window]
        dimensions  = { ApiName = var.name, Stage = var.api_stage }
      }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "burn" {
  for_each = local.burns

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "The API spends more than ${each.value.spends}"
  alarm_rule = join(" AND ", [
    for window in [each.value.long, each.value.short] :
    "ALARM(\"${aws_cloudwatch_metric_alarm.burn["${each.key}-${window}"].alarm_name}\")"
  ])
  alarm_actions = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
}
