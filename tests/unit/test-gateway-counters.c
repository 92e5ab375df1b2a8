/* SPDX-License-Identifier: Apache-2.0 */
/* The histogram's scale and its quantiles, and which statuses go to the next target. */
#include "gateway/relay.h"

#include "base/cleanup.h"
#include "test.h"

static void scale(void)
{
	CHECK_INT(gateway_bucket_us(0), 16);
	for (size_t i = 0; i + 4 < GATEWAY_HISTOGRAM_BUCKETS; i++) {
		uint64_t low = gateway_bucket_us(i), high = gateway_bucket_us(i + 1);

		CHECK(high > low);
		/* Within a fifth: the whole numbers of the smallest buckets round more. */
		CHECK(low < 128 || high * 100 <= low * 120);
		CHECK(gateway_bucket_us(i + 4) / 2 == low);
	}
	CHECK(gateway_bucket_us(GATEWAY_HISTOGRAM_BUCKETS - 1) > 12 * 3600ull * 1000000);
}

static void buckets_of_durations(void)
{
	CHECK_INT(gateway_bucket_of(0), 0);
	for (size_t i = 0; i < GATEWAY_HISTOGRAM_BUCKETS; i++) {
		bool last = i == GATEWAY_HISTOGRAM_BUCKETS - 1;

		CHECK_INT(gateway_bucket_of(gateway_bucket_us(i)), i);
		CHECK_INT(gateway_bucket_of(gateway_bucket_us(i) + 1), last ? i : i + 1);
	}
	CHECK_INT(gateway_bucket_of(UINT64_MAX), GATEWAY_HISTOGRAM_BUCKETS - 1);
}

static void quantiles(void)
{
	uint64_t buckets[GATEWAY_HISTOGRAM_BUCKETS] = { 0 };

	CHECK_INT(gateway_histogram_quantile_us(buckets, 5000, 0), 0);
	buckets[8] = 1;
	CHECK_INT(gateway_histogram_quantile_us(buckets, 1, 0), gateway_bucket_us(8));
	CHECK_INT(gateway_histogram_quantile_us(buckets, 10000, 0), gateway_bucket_us(8));
	buckets[8] = 50;
	buckets[20] = 49;
	buckets[127] = 1;
	CHECK_INT(gateway_histogram_quantile_us(buckets, 5000, 0), gateway_bucket_us(8));
	CHECK_INT(gateway_histogram_quantile_us(buckets, 5001, 0), gateway_bucket_us(20));
	CHECK_INT(gateway_histogram_quantile_us(buckets, 9900, 0), gateway_bucket_us(20));
	CHECK_INT(gateway_histogram_quantile_us(buckets, 9901, 0), gateway_bucket_us(127));
	CHECK_INT(gateway_histogram_quantile_us(buckets, 10000, 0), gateway_bucket_us(127));
	/* A bucket's bound is no duration that was: the longest one is. */
	CHECK_INT(gateway_histogram_quantile_us(buckets, 10000, 123456789), 123456789);
	CHECK_INT(gateway_histogram_quantile_us(buckets, 5000, 123456789), gateway_bucket_us(8));
}

/* Field by field what users of other gateways had wrong: the client's own faults stay. */
static void statuses(void)
{
	static const int stay[] = { 200, 201, 400, 405, 409, 413, 415, 422, 424, 499 };
	static const int go[] = { 401, 402, 403, 404, 408, 429, 500, 501, 502, 503, 504, 529, 599 };

	for (size_t i = 0; i < ARRAY_SIZE(stay); i++)
		CHECK(!relay_status_switches(stay[i]));
	for (size_t i = 0; i < ARRAY_SIZE(go); i++)
		CHECK(relay_status_switches(go[i]));
}

int main(void)
{
	test_run("scale", scale);
	test_run("buckets-of-durations", buckets_of_durations);
	test_run("quantiles", quantiles);
	test_run("statuses", statuses);
	return 0;
}
