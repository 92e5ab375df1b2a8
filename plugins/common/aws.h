/* SPDX-License-Identifier: Apache-2.0 */
/* Who signs for AWS, from an object's options and secret. */
#pragma once

#include <tidegate/provider.h>

#define AWS_OPTIONS                                                                              \
	{ "aws_region",                                                                          \
	  TIDE_OPTION_STRING,                                                                    \
	  0,                                                                                     \
	  NULL,                                                                                  \
	  0,                                                                                     \
	  0,                                                                                     \
	  "Sign requests by AWS Signature Version 4 for this region, in place of auth_header; "  \
	  "the "                                                                                 \
	  "secret is ACCESS_KEY_ID:SECRET_ACCESS_KEY, and :SESSION_TOKEN behind it where there " \
	  "is "                                                                                  \
	  "one." },                                                                              \
	{                                                                                        \
		"aws_service", TIDE_OPTION_STRING, 0, "bedrock", 0, 0,                           \
		    "The name of the service that is signed for."                                \
	}

/* For a refusal. */
#define AWS_SECRET_WRONG                                                                           \
	"with aws_region the secret must be ACCESS_KEY_ID:SECRET_ACCESS_KEY, and aws_service not " \
	"empty"

/* 0 with `ret`, whose slices live as long as the instance; -EINVAL when parts are missing. */
int32_t aws_signer(const struct tide_host *host, struct tide_instance *instance,
		   struct tide_sigv4 *ret);
