/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of ISO 3309, bit by bit, to judge a faster one by. */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline uint32_t crc32_of(const char *bytes, size_t len)
{
	uint32_t sum = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		sum ^= (uint8_t)bytes[i];
		for (int bit = 0; bit < 8; bit++)
			sum = sum & 1 ? sum >> 1 ^ 0xedb88320 : sum >> 1;
	}
	return ~sum;
}
