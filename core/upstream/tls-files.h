/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and keys of the curl lane, judged when the configuration is read and not when the
 * first call fails. [any] */
#pragma once

#include "base/error.h"

/* Reads the files (PEM; NULL: not given) by the calls that libcurl makes, and asks that the key is
 * the certificate's; without a key_file it stands beside the certificate. The error names the
 * option, the file, and what is wrong with it. */
int tls_files_check(const char *ca_file, const char *cert_file, const char *key_file,
		    struct error *error);
