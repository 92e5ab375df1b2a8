/* SPDX-License-Identifier: Apache-2.0 */
/* What providers call their errors. */
#include "wire/watch.h"

#include "base/cleanup.h"

static const struct {
	const char *name;
	enum wire_error_class class;
} classes[] = {
	/* OpenAI, Anthropic, and servers that speak their dialects */
	{ "overloaded_error", WIRE_ERROR_OVERLOADED },
	{ "overloaded", WIRE_ERROR_OVERLOADED },
	{ "engine_overloaded", WIRE_ERROR_OVERLOADED },
	{ "service_unavailable", WIRE_ERROR_OVERLOADED },
	{ "service_unavailable_error", WIRE_ERROR_OVERLOADED },
	{ "server_is_overloaded", WIRE_ERROR_OVERLOADED },
	{ "slow_down", WIRE_ERROR_OVERLOADED },
	{ "503", WIRE_ERROR_OVERLOADED },
	{ "529", WIRE_ERROR_OVERLOADED },
	{ "rate_limit_exceeded", WIRE_ERROR_RATE_LIMIT },
	{ "rate_limit_error", WIRE_ERROR_RATE_LIMIT },
	{ "tokens", WIRE_ERROR_RATE_LIMIT },
	{ "requests", WIRE_ERROR_RATE_LIMIT },
	{ "429", WIRE_ERROR_RATE_LIMIT },
	{ "insufficient_quota", WIRE_ERROR_QUOTA },
	{ "billing_error", WIRE_ERROR_QUOTA },
	{ "billing_hard_limit_reached", WIRE_ERROR_QUOTA },
	{ "402", WIRE_ERROR_QUOTA },
	{ "invalid_api_key", WIRE_ERROR_AUTHENTICATION },
	{ "authentication_error", WIRE_ERROR_AUTHENTICATION },
	{ "permission_error", WIRE_ERROR_AUTHENTICATION },
	{ "401", WIRE_ERROR_AUTHENTICATION },
	{ "403", WIRE_ERROR_AUTHENTICATION },
	{ "invalid_request_error", WIRE_ERROR_INVALID },
	{ "request_too_large", WIRE_ERROR_INVALID },
	{ "not_found_error", WIRE_ERROR_INVALID },
	{ "BadRequestError", WIRE_ERROR_INVALID },
	{ "context_length_exceeded", WIRE_ERROR_INVALID },
	{ "invalid_prompt", WIRE_ERROR_INVALID },
	{ "bio_policy", WIRE_ERROR_INVALID },
	{ "cyber_policy", WIRE_ERROR_INVALID },
	{ "invalid_image", WIRE_ERROR_INVALID },
	{ "invalid_image_format", WIRE_ERROR_INVALID },
	{ "invalid_base64_image", WIRE_ERROR_INVALID },
	{ "invalid_image_url", WIRE_ERROR_INVALID },
	{ "invalid_image_mode", WIRE_ERROR_INVALID },
	{ "image_too_large", WIRE_ERROR_INVALID },
	{ "image_too_small", WIRE_ERROR_INVALID },
	{ "image_parse_error", WIRE_ERROR_INVALID },
	{ "image_content_policy_violation", WIRE_ERROR_INVALID },
	{ "image_file_too_large", WIRE_ERROR_INVALID },
	{ "unsupported_image_media_type", WIRE_ERROR_INVALID },
	{ "empty_image_file", WIRE_ERROR_INVALID },
	{ "failed_to_download_image", WIRE_ERROR_INVALID },
	{ "image_file_not_found", WIRE_ERROR_INVALID },
	{ "400", WIRE_ERROR_INVALID },
	{ "404", WIRE_ERROR_INVALID },
	{ "413", WIRE_ERROR_INVALID },
	{ "422", WIRE_ERROR_INVALID },
	{ "server_error", WIRE_ERROR_INTERNAL },
	{ "internal_error", WIRE_ERROR_INTERNAL },
	{ "api_error", WIRE_ERROR_INTERNAL },
	{ "timeout_error", WIRE_ERROR_INTERNAL },
	{ "500", WIRE_ERROR_INTERNAL },
	{ "502", WIRE_ERROR_INTERNAL },
	{ "504", WIRE_ERROR_INTERNAL },
	/* Google (google.rpc.Code) */
	{ "UNAVAILABLE", WIRE_ERROR_OVERLOADED },
	{ "RESOURCE_EXHAUSTED", WIRE_ERROR_RATE_LIMIT },
	{ "UNAUTHENTICATED", WIRE_ERROR_AUTHENTICATION },
	{ "PERMISSION_DENIED", WIRE_ERROR_AUTHENTICATION },
	{ "INVALID_ARGUMENT", WIRE_ERROR_INVALID },
	{ "FAILED_PRECONDITION", WIRE_ERROR_INVALID },
	{ "NOT_FOUND", WIRE_ERROR_INVALID },
	/* Bedrock: events' names, and types of bodies */
	{ "serviceUnavailableException", WIRE_ERROR_OVERLOADED },
	{ "ServiceUnavailableException", WIRE_ERROR_OVERLOADED },
	{ "ModelNotReadyException", WIRE_ERROR_OVERLOADED },
	{ "throttlingException", WIRE_ERROR_RATE_LIMIT },
	{ "ThrottlingException", WIRE_ERROR_RATE_LIMIT },
	{ "ServiceQuotaExceededException", WIRE_ERROR_QUOTA },
	{ "AccessDeniedException", WIRE_ERROR_AUTHENTICATION },
	{ "UnrecognizedClientException", WIRE_ERROR_AUTHENTICATION },
	{ "validationException", WIRE_ERROR_INVALID },
	{ "ValidationException", WIRE_ERROR_INVALID },
	{ "ResourceNotFoundException", WIRE_ERROR_INVALID },
};

enum wire_error_class watch_error_class(struct slice text)
{
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		if (slice_eq_str(text, classes[i].name))
			return classes[i].class;
	}
	return WIRE_ERROR_NONE;
}

void watch_error(struct wire_watch *watch)
{
	uint8_t told = watch->event.error_code ? watch->event.error_code : watch->event.error_type;

	if (watch->stream && watch->terminal && watch->error == WIRE_ERROR_NONE)
		return; /* the answer is whole */
	watch->error = told ? (enum wire_error_class)told : WIRE_ERROR_INTERNAL;
	watch->terminal = true;
}
