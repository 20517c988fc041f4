/* SHA-256 as FIPS 180-4 has it, of bytes that come piece by piece.
 *
 * Blocks are hashed by the processor's own instructions where it has them: those of x86, by gcc or clang.
 */
#ifndef LADLE_SHA256_H
#define LADLE_SHA256_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SHA_BLOCK = 64, SHA_HELD = 8 * SHA_BLOCK };

/* Takes so many blocks into the state. */
typedef void (*ShaBlocks)(uint32_t state[8], const uint8_t *data, size_t blocks);

typedef struct {
    ShaBlocks take;
    uint64_t size; /* of all that came */
    size_t held;   /* bytes that wait */
    uint32_t state[8];
    uint8_t bytes[SHA_HELD + SHA_BLOCK]; /* the last block is for the end */
} Sha;

static const uint32_t SHA_ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t sha_turned(uint32_t word, int by) { return word >> by | word << (32 - by); }

/* A round of which the results stay where they are: the next one takes its arguments turned by one. */
static inline void sha_round(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g,
                             uint32_t *h, uint32_t word) {
    *h += (sha_turned(e, 6) ^ sha_turned(e, 11) ^ sha_turned(e, 25)) + ((e & f) ^ (~e & g)) + word;
    *d += *h;
    *h += (sha_turned(a, 2) ^ sha_turned(a, 13) ^ sha_turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
}

static void sha_portable(uint32_t state[8], const uint8_t *data, size_t blocks) {
    for (; blocks; blocks--, data += SHA_BLOCK) {
        uint32_t w[64];
        for (int t = 0; t < 16; t++) {
            const uint8_t *from = data + 4 * t;
            w[t] = (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
        }
        for (int t = 16; t < 64; t++) {
            uint32_t x = w[t - 15], y = w[t - 2];
            w[t] = w[t - 16] + (sha_turned(x, 7) ^ sha_turned(x, 18) ^ x >> 3) + w[t - 7] +
                   (sha_turned(y, 17) ^ sha_turned(y, 19) ^ y >> 10);
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; t += 8) {
            const uint32_t *k = SHA_ROUND + t, *v = w + t;
            sha_round(a, b, c, &d, e, f, g, &h, k[0] + v[0]);
            sha_round(h, a, b, &c, d, e, f, &g, k[1] + v[1]);
            sha_round(g, h, a, &b, c, d, e, &f, k[2] + v[2]);
            sha_round(f, g, h, &a, b, c, d, &e, k[3] + v[3]);
            sha_round(e, f, g, &h, a, b, c, &d, k[4] + v[4]);
            sha_round(d, e, f, &g, h, a, b, &c, k[5] + v[5]);
            sha_round(c, d, e, &f, g, h, a, &b, k[6] + v[6]);
            sha_round(b, c, d, &e, f, g, h, &a, k[7] + v[7]);
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>

/* The instructions hold a, b, e, f in one register and c, d, g, h in another, the first of each on top. */
__attribute__((target("sha,sse4.1,ssse3"))) static void sha_x86(uint32_t state[8], const uint8_t *data,
                                                                size_t blocks) {
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef = _mm_setr_epi32((int)state[5], (int)state[4], (int)state[1], (int)state[0]);
    __m128i cdgh = _mm_setr_epi32((int)state[7], (int)state[6], (int)state[3], (int)state[2]);
    for (; blocks; blocks--, data += SHA_BLOCK) {
        const __m128i *from = (const __m128i *)data;
        __m128i w0 = _mm_shuffle_epi8(_mm_loadu_si128(from), swap);
        __m128i w1 = _mm_shuffle_epi8(_mm_loadu_si128(from + 1), swap);
        __m128i w2 = _mm_shuffle_epi8(_mm_loadu_si128(from + 2), swap);
        __m128i w3 = _mm_shuffle_epi8(_mm_loadu_si128(from + 3), swap);
        const __m128i abef_before = abef, cdgh_before = cdgh;
        for (int t = 0; t < 64; t += 4) { /* four rounds; the last three make words that nobody takes */
            __m128i sum = _mm_add_epi32(w0, _mm_loadu_si128((const __m128i *)(SHA_ROUND + t)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
            __m128i next = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
            w0 = w1, w1 = w2, w2 = w3, w3 = _mm_sha256msg2_epu32(next, w3);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    uint32_t feba[4], hgdc[4];
    _mm_storeu_si128((__m128i *)feba, abef);
    _mm_storeu_si128((__m128i *)hgdc, cdgh);
    state[0] = feba[3], state[1] = feba[2], state[4] = feba[1], state[5] = feba[0];
    state[2] = hgdc[3], state[3] = hgdc[2], state[6] = hgdc[1], state[7] = hgdc[0];
}

static ShaBlocks sha_best(void) {
    unsigned a, b, c, d;
    int sse = __get_cpuid(1, &a, &b, &c, &d) && c >> 9 & 1 && c >> 19 & 1;
    return sse && __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1 ? sha_x86 : sha_portable;
}
#else
static ShaBlocks sha_best(void) { return sha_portable; }
#endif

static void sha_begin(Sha *sha, ShaBlocks take) {
    static const uint32_t FIRST[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    sha->take = take;
    sha->size = sha->held = 0;
    memcpy(sha->state, FIRST, sizeof FIRST);
}

/* What doesn't fit beside that which waits: at least as much as fills it up. */
static void sha_spill(Sha *sha, const uint8_t *data, size_t size) {
    size_t part = SHA_HELD - sha->held, blocks;
    memcpy(sha->bytes + sha->held, data, part);
    sha->take(sha->state, sha->bytes, SHA_HELD / SHA_BLOCK);
    data += part, size -= part, blocks = size / SHA_BLOCK;
    sha->take(sha->state, data, blocks);
    sha->held = size % SHA_BLOCK;
    memcpy(sha->bytes, data + blocks * SHA_BLOCK, sha->held);
}

static inline void sha_add(Sha *sha, const void *data, size_t size) {
    sha->size += size;
    if (size >= SHA_HELD - sha->held) {
        sha_spill(sha, data, size);
    } else if (size) {
        memcpy(sha->bytes + sha->held, data, size);
        sha->held += size;
    }
}

static void sha_end(Sha *sha, uint8_t digest[32]) {
    size_t blocks = (sha->held + 8) / SHA_BLOCK + 1;
    uint8_t *end = sha->bytes + blocks * SHA_BLOCK;
    memset(sha->bytes + sha->held, 0, (size_t)(end - sha->bytes) - sha->held);
    sha->bytes[sha->held] = 0x80;
    for (uint64_t bits = 8 * sha->size; bits; bits >>= 8)
        *--end = (uint8_t)bits;
    sha->take(sha->state, sha->bytes, blocks);
    for (int n = 0; n < 32; n++)
        digest[n] = (uint8_t)(sha->state[n / 4] >> (24 - 8 * (n % 4)));
}
#endif
