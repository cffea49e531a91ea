# Only a stage on DynamoDB has this file, events_override.tf and event_alarms_override.tf. Its locals
# are in events.tf.json, which `make terraform` writes: see deployment/event_functions.py.

# The deliveries that are to be sent to webhooks.
resource "aws_sqs_queue" "webhooks" {
  name                       = local.events.queue
  visibility_timeout_seconds = local.events.visibility_timeout
  message_retention_seconds  = local.events.retention
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.webhook_failures.arn
    maxReceiveCount     = local.events.max_receives
  })
}

# The messages of that queue, and the records of the table's stream, that were given up.
resource "aws_sqs_queue" "webhook_failures" {
  name                      = local.events.queue_failures
  message_retention_seconds = local.events.retention
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "stream_failures" {
  name                      = local.events.stream_failures
  message_retention_seconds = local.events.retention
  sqs_managed_sse_enabled   = true
}

output "WebhookQueueUrl" {
  description = "The queue of deliveries to webhooks"
  value       = aws_sqs_queue.webhooks.url
}
