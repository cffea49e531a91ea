# Terraform merges this file into Chalice's event source mappings: what Chalice cannot say.
# https://developer.hashicorp.com/terraform/language/files/override

resource "aws_lambda_event_source_mapping" "relayEvents-dynamodb-event-source" {
  event_source_arn               = aws_dynamodb_table.this.stream_arn
  function_response_types        = local.events.stream.FunctionResponseTypes
  bisect_batch_on_function_error = local.events.stream.BisectBatchOnFunctionError
  maximum_record_age_in_seconds  = local.events.stream.MaximumRecordAgeInSeconds
  maximum_retry_attempts         = local.events.stream.MaximumRetryAttempts
  parallelization_factor         = local.events.stream.ParallelizationFactor

  filter_criteria {
    dynamic "filter" {
      for_each = local.events.filters

      content {
        pattern = filter.value
      }
    }
  }

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.stream_failures.arn
    }
  }
}

resource "aws_lambda_event_source_mapping" "sendWebhooks-sqs-event-source" {
  event_source_arn        = aws_sqs_queue.webhooks.arn
  function_response_types = local.events.queue_source.FunctionResponseTypes
}
