/* SPDX-License-Identifier: Apache-2.0 */
/* The ABI as numbers. A number that changes breaks every plugin that is out there: then the major
 * version changes, and a new member goes to the end of its struct with a line here. */
#include "unit/test.h"

#include <tidegate/calls.h>
#include <tidegate/policy.h>
#include <tidegate/provider.h>

#define SIZE(type, bytes) CHECK_INT(sizeof(struct type), bytes)
#define AT(type, member, bytes) CHECK_INT(offsetof(struct type, member), bytes)

static void plugin_h(void)
{
	CHECK_INT(TIDE_ABI_MAJOR, 0);
	CHECK_INT(TIDE_ABI_MINOR, 9);
	SIZE(tide_slice, 16);
	AT(tide_slice, ptr, 0);
	AT(tide_slice, len, 8);
	SIZE(tide_header, 32);
	AT(tide_header, name, 0);
	AT(tide_header, value, 16);
	SIZE(tide_option, 48);
	AT(tide_option, name, 0);
	AT(tide_option, type, 8);
	AT(tide_option, flags, 12);
	AT(tide_option, default_text, 16);
	AT(tide_option, min, 24);
	AT(tide_option, max, 32);
	AT(tide_option, doc, 40);
	SIZE(tide_plugin, 64);
	AT(tide_plugin, size, 0);
	AT(tide_plugin, abi_major, 4);
	AT(tide_plugin, abi_minor, 6);
	AT(tide_plugin, kind, 8);
	AT(tide_plugin, option_size, 12);
	AT(tide_plugin, name, 16);
	AT(tide_plugin, version, 24);
	AT(tide_plugin, summary, 32);
	AT(tide_plugin, options, 40);
	AT(tide_plugin, option_count, 48);
	AT(tide_plugin, operations, 56);
	SIZE(tide_host, 136);
	AT(tide_host, size, 0);
	AT(tide_host, abi_major, 4);
	AT(tide_host, abi_minor, 6);
	AT(tide_host, log, 8);
	AT(tide_host, clock_ns, 16);
	AT(tide_host, clock_real_ns, 24);
	AT(tide_host, option_string, 32);
	AT(tide_host, option_int, 40);
	AT(tide_host, option_bool, 48);
	AT(tide_host, secret, 56);
	AT(tide_host, call_alloc, 64);
	AT(tide_host, call, 72);
	AT(tide_host, request, 80);
	AT(tide_host, counter, 88);
	AT(tide_host, gauge, 96);
	AT(tide_host, metric_add, 104);
	AT(tide_host, metric_set, 112);
	AT(tide_host, offload, 120);
	AT(tide_host, outgoing, 128);
}

static void provider_h(void)
{
	SIZE(tide_call_info, 128);
	AT(tide_call_info, size, 0);
	AT(tide_call_info, dialect, 4);
	AT(tide_call_info, model, 8);
	AT(tide_call_info, stream, 24);
	AT(tide_call_info, attempt, 28);
	AT(tide_call_info, body, 32);
	AT(tide_call_info, body_count, 40);
	AT(tide_call_info, headers, 48);
	AT(tide_call_info, header_count, 56);
	AT(tide_call_info, request_id, 64);
	AT(tide_call_info, query, 80);
	AT(tide_call_info, method, 96);
	AT(tide_call_info, rest, 112);
	SIZE(tide_sigv4, 88);
	AT(tide_sigv4, size, 0);
	AT(tide_sigv4, reserved, 4);
	AT(tide_sigv4, region, 8);
	AT(tide_sigv4, service, 24);
	AT(tide_sigv4, access_key, 40);
	AT(tide_sigv4, secret_key, 56);
	AT(tide_sigv4, session_token, 72);
	SIZE(tide_http_request, 80);
	AT(tide_http_request, size, 0);
	AT(tide_http_request, reserved, 4);
	AT(tide_http_request, method, 8);
	AT(tide_http_request, path, 24);
	AT(tide_http_request, headers, 40);
	AT(tide_http_request, header_count, 48);
	AT(tide_http_request, body, 56);
	AT(tide_http_request, body_count, 64);
	AT(tide_http_request, sigv4, 72);
	SIZE(tide_call_services, 64);
	AT(tide_call_services, size, 0);
	AT(tide_call_services, reserved, 4);
	AT(tide_call_services, info, 8);
	AT(tide_call_services, send, 16);
	AT(tide_call_services, respond, 24);
	AT(tide_call_services, data, 32);
	AT(tide_call_services, end, 40);
	AT(tide_call_services, fail, 48);
	AT(tide_call_services, timer, 56);
	SIZE(tide_provider_operations, 64);
	AT(tide_provider_operations, size, 0);
	AT(tide_provider_operations, dialects, 4);
	AT(tide_provider_operations, create, 8);
	AT(tide_provider_operations, destroy, 16);
	AT(tide_provider_operations, start, 24);
	AT(tide_provider_operations, cancel, 32);
	AT(tide_provider_operations, dialects_of, 48);
	AT(tide_provider_operations, probe, 56);
	AT(tide_provider_operations, resume, 40);
}

static void policy_h(void)
{
	SIZE(tide_request_info, 216);
	AT(tide_request_info, size, 0);
	AT(tide_request_info, dialect, 4);
	AT(tide_request_info, stream, 8);
	AT(tide_request_info, reserved, 12);
	AT(tide_request_info, request_id, 16);
	AT(tide_request_info, tenant, 32);
	AT(tide_request_info, feature, 48);
	AT(tide_request_info, key, 64);
	AT(tide_request_info, user, 80);
	AT(tide_request_info, run, 96);
	AT(tide_request_info, client, 112);
	AT(tide_request_info, model, 128);
	AT(tide_request_info, headers, 144);
	AT(tide_request_info, header_count, 152);
	AT(tide_request_info, input_estimate, 160);
	AT(tide_request_info, max_output, 168);
	AT(tide_request_info, reserved_nano, 176);
	AT(tide_request_info, method, 184);
	AT(tide_request_info, rest, 200);
	SIZE(tide_denial, 48);
	AT(tide_denial, size, 0);
	AT(tide_denial, status, 4);
	AT(tide_denial, code, 8);
	AT(tide_denial, message, 24);
	AT(tide_denial, retry_after_s, 40);
	SIZE(tide_answer, 40);
	AT(tide_answer, size, 0);
	AT(tide_answer, form, 4);
	AT(tide_answer, dialect, 8);
	AT(tide_answer, flags, 12);
	AT(tide_answer, body, 16);
	AT(tide_answer, saved_nano, 32);
	SIZE(tide_request_end, 96);
	AT(tide_request_end, size, 0);
	AT(tide_request_end, outcome, 4);
	AT(tide_request_end, status, 8);
	AT(tide_request_end, attempts, 12);
	AT(tide_request_end, provider, 16);
	AT(tide_request_end, model, 32);
	AT(tide_request_end, cost_nano, 48);
	AT(tide_request_end, tokens_in, 56);
	AT(tide_request_end, tokens_cached, 64);
	AT(tide_request_end, tokens_out, 72);
	AT(tide_request_end, first_content_ns, 80);
	AT(tide_request_end, duration_ns, 88);
	SIZE(tide_request_services, 112);
	AT(tide_request_services, size, 0);
	AT(tide_request_services, reserved, 4);
	AT(tide_request_services, info, 8);
	AT(tide_request_services, body, 16);
	AT(tide_request_services, alloc, 24);
	AT(tide_request_services, deny, 32);
	AT(tide_request_services, answer, 40);
	AT(tide_request_services, splice, 48);
	AT(tide_request_services, retarget, 56);
	AT(tide_request_services, header, 64);
	AT(tide_request_services, note, 72);
	AT(tide_request_services, suspend, 80);
	AT(tide_request_services, complete, 88);
	AT(tide_request_services, timer, 96);
	AT(tide_request_services, canonical_hash, 104);
	SIZE(tide_event, 216);
	AT(tide_event, size, 0);
	AT(tide_event, type, 4);
	AT(tide_event, request_id, 8);
	AT(tide_event, tenant, 24);
	AT(tide_event, feature, 40);
	AT(tide_event, key, 56);
	AT(tide_event, user, 72);
	AT(tide_event, run, 88);
	AT(tide_event, route, 104);
	AT(tide_event, provider, 120);
	AT(tide_event, model, 136);
	AT(tide_event, outcome, 152);
	AT(tide_event, status, 156);
	AT(tide_event, attempt, 160);
	AT(tide_event, reserved, 164);
	AT(tide_event, cost_nano, 168);
	AT(tide_event, tokens_in, 176);
	AT(tide_event, tokens_cached, 184);
	AT(tide_event, tokens_out, 192);
	AT(tide_event, first_content_ns, 200);
	AT(tide_event, duration_ns, 208);
	SIZE(tide_policy_operations, 56);
	AT(tide_policy_operations, size, 0);
	AT(tide_policy_operations, events, 4);
	AT(tide_policy_operations, create, 8);
	AT(tide_policy_operations, destroy, 16);
	AT(tide_policy_operations, request, 24);
	AT(tide_policy_operations, resumed, 32);
	AT(tide_policy_operations, ended, 40);
	AT(tide_policy_operations, event, 48);
	CHECK_INT(TIDE_EVENT_ATTEMPT_ENDED, 1);
	CHECK_INT(TIDE_EVENT_REQUEST_SETTLED, 2);
}

static void calls_h(void)
{
	SIZE(tide_fetch, 80);
	AT(tide_fetch, size, 0);
	AT(tide_fetch, deadline_ms, 4);
	AT(tide_fetch, method, 8);
	AT(tide_fetch, path, 24);
	AT(tide_fetch, headers, 40);
	AT(tide_fetch, header_count, 48);
	AT(tide_fetch, body, 56);
	AT(tide_fetch, reply_max, 72);
	SIZE(tide_reply, 80);
	AT(tide_reply, size, 0);
	AT(tide_reply, error, 4);
	AT(tide_reply, status, 8);
	AT(tide_reply, reserved, 12);
	AT(tide_reply, content_type, 16);
	AT(tide_reply, headers, 32);
	AT(tide_reply, header_count, 40);
	AT(tide_reply, body, 48);
	AT(tide_reply, message, 64);
	SIZE(tide_outgoing_services, 16);
	AT(tide_outgoing_services, size, 0);
	AT(tide_outgoing_services, reserved, 4);
	AT(tide_outgoing_services, fetch, 8);
}

static void constants(void)
{
	CHECK_INT(TIDE_OPTION_STRING, 0);
	CHECK_INT(TIDE_OPTION_INT, 1);
	CHECK_INT(TIDE_OPTION_BOOL, 2);
	CHECK_INT(TIDE_OPTION_REQUIRED, 1);
	CHECK_INT(TIDE_KIND_PROVIDER, 1);
	CHECK_INT(TIDE_KIND_POLICY, 2);
	CHECK_INT(TIDE_CONTINUE, 0);
	CHECK_INT(TIDE_DENY, 1);
	CHECK_INT(TIDE_ANSWER, 2);
	CHECK_INT(TIDE_SUSPEND, 3);
	CHECK_INT(TIDE_ANSWER_TEXT, 0);
	CHECK_INT(TIDE_ANSWER_DOCUMENT, 1);
	CHECK_INT(TIDE_ANSWER_STREAM, 2);
	CHECK_INT(TIDE_ANSWER_CACHED, 1);
	CHECK_INT(TIDE_REQUEST_OK, 0);
	CHECK_INT(TIDE_REQUEST_ERROR, 1);
	CHECK_INT(TIDE_REQUEST_INCOMPLETE, 2);
	CHECK_INT(TIDE_REQUEST_DEPARTED, 3);
	CHECK_INT(TIDE_REQUEST_REFUSED, 4);
	CHECK_INT(TIDE_LOG_ERROR, 0);
	CHECK_INT(TIDE_LOG_WARNING, 1);
	CHECK_INT(TIDE_LOG_INFO, 2);
	CHECK_INT(TIDE_LOG_DEBUG, 3);
	CHECK_INT(TIDE_DIALECT_OPENAI_CHAT, 1);
	CHECK_INT(TIDE_DIALECT_ANTHROPIC_MESSAGES, 2);
	CHECK_INT(TIDE_DIALECT_OPENAI_RESPONSES, 3);
	CHECK_INT(TIDE_DIALECT_OPENAI_EMBEDDINGS, 4);
	CHECK_INT(TIDE_DIALECT_GEMINI, 5);
	CHECK_INT(TIDE_DIALECT_BEDROCK_CONVERSE, 6);
	CHECK_INT(TIDE_DIALECT_GEMINI_COUNT_TOKENS, 8);
	CHECK_INT(TIDE_FAILURE_UNAVAILABLE, 1);
	CHECK_INT(TIDE_FAILURE_INCOMPLETE, 2);
	CHECK_INT(TIDE_FAILURE_INTERNAL, 3);
}

int main(void)
{
	test_run("plugin-h", plugin_h);
	test_run("provider-h", provider_h);
	test_run("policy-h", policy_h);
	test_run("calls-h", calls_h);
	test_run("constants", constants);
	return 0;
}
