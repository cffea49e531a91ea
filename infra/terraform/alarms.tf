locals {
  # The same for CloudFormation is in .chalice/resources.yaml and deployment/alarms.py.
  api_alarms = {
    server-errors = {
      description        = "More than 1 of 100 responses is a 5xx"
      metric_name        = "5XXError"
      statistic          = "Average"
      extended_statistic = null
      unit               = null
      threshold          = 0.01
    }
    slow-responses = {
      description        = "1 of 100 responses takes longer than 3 seconds"
      metric_name        = "Latency"
      statistic          = null
      extended_statistic = "p99"
      unit               = "Milliseconds"
      threshold          = 3000
    }
  }

  throttle_alarms = {
    for name in var.called_functions : "${name}-throttles" => {
      description = "Lambda throttles the function: a concurrency limit is reached"
      namespace   = "AWS/Lambda"
      metric_name = "Throttles"
      dimensions  = { FunctionName = name }
    }
  }

  error_alarms = {
    for name in var.event_functions : "${name}-errors" => {
      description = "The function fails as a whole: what it was to pass on is late"
      namespace   = "AWS/Lambda"
      metric_name = "Errors"
      dimensions  = { FunctionName = name }
    }
  }

  # Set by table_alarms_override.tf and event_alarms_override.tf, which only a stage on DynamoDB has.
  table_alarms   = {}
  failure_alarms = {}

  # PostgreSQL's outbox; on DynamoDB, event_alarms_override.tf sets the stream's alarm instead.
  late_alarms = {
    for name in var.event_functions : "${var.name}-late-events" => {
      description = "Changes are passed on more than 15 minutes late"
      namespace   = "UserManagement"
      metric_name = "OutboxAge"
      dimensions  = { FunctionName = name }
      threshold   = 900 # OLD_OUTBOX in deployment/event_functions.py
    }
  }

  counting_alarms = merge(
    local.throttle_alarms, local.error_alarms, local.table_alarms, local.failure_alarms,
  )

  alarms = merge(
    {
      for name, alarm in local.api_alarms : "${var.name}-${name}" => merge(alarm, {
        namespace           = "AWS/ApiGateway"
        dimensions          = { ApiName = var.name, Stage = var.api_stage }
        datapoints_to_alarm = 3
      })
    },
    # These go off when the metric is above zero.
    {
      for name, alarm in local.counting_alarms : name => merge(alarm, {
        statistic           = "Sum"
        extended_statistic  = null
        unit                = null
        datapoints_to_alarm = 1
        threshold           = 0
      })
    },
    {
      for name, alarm in local.late_alarms : name => merge(alarm, {
        statistic           = "Maximum"
        extended_statistic  = null
        unit                = null
        datapoints_to_alarm = 1
      })
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric_name
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  extended_statistic  = each.value.extended_statistic
  unit                = each.value.unit
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = each.value.datapoints_to_alarm
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn == null ? [] : [var.alarm_topic_arn]
}
