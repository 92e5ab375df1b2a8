/* SPDX-License-Identifier: Apache-2.0 */
/* Who a certificate is for, as text that configuration can name: "URI:…", "DNS:…", "email:…" of the
 * alternative names, "CN:…" of the subject. A name that is no plain text is none: an embedded NUL
 * would let it read as another. */
#include <openssl/x509v3.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "http/tls.h"

enum {
	NAMES_MAX = 64,
	NAME_BYTES_MAX = 4096,
};

static bool is_plain(struct slice name)
{
	return name.len > 0 && name.len <= NAME_BYTES_MAX && !slice_has_control(name);
}

static void add(struct buffer *out, const char *type, struct slice name)
{
	if (!is_plain(name))
		return;
	buffer_append_str(out, type);
	buffer_append_slice(out, name);
	buffer_append_char(out, '\0');
}

static void add_alternative(struct buffer *out, GENERAL_NAME *name)
{
	static const struct {
		int type;
		const char *text;
	} types[] = { { GEN_URI, "URI:" }, { GEN_DNS, "DNS:" }, { GEN_EMAIL, "email:" } };
	const ASN1_STRING *value;
	int type;

	value = GENERAL_NAME_get0_value(name, &type);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (types[i].type == type)
			add(out, types[i].text,
			    (struct slice){ (const char *)ASN1_STRING_get0_data(value),
					    (size_t)ASN1_STRING_length(value) });
	}
}

static void add_common_name(struct buffer *out, const X509_NAME_ENTRY *entry)
{
	unsigned char *text = NULL;
	int len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));

	if (len > 0)
		add(out, "CN:", (struct slice){ (const char *)text, (size_t)len });
	OPENSSL_free(text);
}

char *tls_names(struct x509_st *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(certificate);
	struct buffer out = { 0 };

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && i < NAMES_MAX; i++)
		add_alternative(&out, sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	for (int at = -1;
	     (at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0 && at < NAMES_MAX;)
		add_common_name(&out, X509_NAME_get_entry(subject, at));
	buffer_append_char(&out, '\0');
	if (out.failed || out.len == 1)
		buffer_fini(&out);
	return out.data;
}

int64_t tls_until_s(const struct x509_st *certificate)
{
	struct tm time;

	return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) == 1 ? timegm(&time) : 0;
}
