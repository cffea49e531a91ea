# Terraform merges this file into the locals of alarms.tf.
# https://developer.hashicorp.com/terraform/language/files/override

locals {
  failure_alarms = merge(
    {
      for queue in [local.events.queue_failures, local.events.stream_failures] :
      "${queue}-messages" => {
        description = "Something was given up: the messages in the queue say what"
        namespace   = "AWS/SQS"
        metric_name = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = queue }
      }
    },
    # Of the lines that the functions write: Lambda counts no error where a part is reported.
    {
      for name in var.event_functions : "${name}-faults" => {
        description = "The function fails in part: the faults in its log say what and why"
        namespace   = "UserManagement"
        metric_name = "Faults"
        dimensions  = { FunctionName = name }
      }
    },
  )

  late_alarms = {
    "${var.name}-late-events" = {
      description = "Changes are passed on more than 15 minutes late"
      namespace   = "AWS/Lambda"
      metric_name = "IteratorAge"
      dimensions  = { FunctionName = var.functions["relayEvents"] }
      threshold   = local.events.slow_stream
    }
  }
}
