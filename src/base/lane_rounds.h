// The one implementation of the kernels, for any width; each lane_kernel_*.cc compiles it for its
// instructions. Vectors of the compiler, not intrinsics: the same text serves every processor. All
// is local to the file that includes it, and nothing of the C++ library is called; lane_kernel.h
// says why.
#ifndef LARDER_BASE_LANE_ROUNDS_H_
#define LARDER_BASE_LANE_ROUNDS_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/lane_kernel.h"

namespace larder {
namespace {

template <int Lanes>
struct VectorOf {
  using Type [[gnu::vector_size(Lanes * 4)]] = std::uint32_t;
};
template <int Lanes>
using Vector = typename VectorOf<Lanes>::Type;

constexpr std::uint32_t iv[4] = {0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au};
constexpr std::uint8_t schedule[7][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8},
    {3, 4, 10, 12, 13, 2, 7, 14, 6, 5, 9, 0, 11, 15, 8, 1},
    {10, 7, 12, 9, 14, 3, 13, 15, 4, 0, 11, 2, 5, 8, 1, 6},
    {12, 13, 9, 11, 15, 10, 14, 8, 7, 2, 5, 3, 0, 1, 6, 4},
    {9, 14, 11, 5, 8, 12, 15, 1, 13, 3, 0, 10, 2, 6, 4, 7},
    {11, 15, 5, 0, 1, 9, 8, 6, 14, 10, 2, 12, 3, 4, 7, 13},
};

template <class V>
[[gnu::always_inline]] inline void load(V& to, const void* from) noexcept {
  __builtin_memcpy(&to, from, sizeof to);
}

#if defined(__AVX2__) && !defined(__AVX512VL__)
// AVX2 cannot rotate words, but move bytes, in one instruction instead of three.
template <int Count, class V, std::size_t... I>
[[gnu::always_inline]] inline void rotate_bytes(V& v, std::index_sequence<I...>) noexcept {
  using Bytes [[gnu::vector_size(sizeof(V))]] = std::uint8_t;
  Bytes bytes;
  load(bytes, &v);
  const Bytes moved =
      __builtin_shufflevector(bytes, bytes, (I & ~std::size_t{3}) + ((I + Count) & 3)...);
  load(v, &moved);
}

template <int Count, class V>
[[gnu::always_inline]] inline void rotate_right(V& v) noexcept {
  if constexpr (Count % 8 == 0) {
    rotate_bytes<Count / 8>(v, std::make_index_sequence<sizeof(V)>());
  } else {
    v = (v >> Count) | (v << (32 - Count));
  }
}
#else
template <int Count, class V>
[[gnu::always_inline]] inline void rotate_right(V& v) noexcept {
  v = (v >> Count) | (v << (32 - Count));
}
#endif

// Low halves of both, word by word, then the high halves.
[[gnu::always_inline]] inline void zip(const Vector<4>& a, const Vector<4>& b,
                                       Vector<4>* to) noexcept {
  to[0] = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  to[1] = __builtin_shufflevector(a, b, 2, 6, 3, 7);
}
#ifdef __AVX2__
[[gnu::always_inline]] inline void zip(const Vector<8>& a, const Vector<8>& b,
                                       Vector<8>* to) noexcept {
  to[0] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  to[1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}
#endif
#ifdef __AVX512F__
[[gnu::always_inline]] inline void zip(const Vector<16>& a, const Vector<16>& b,
                                       Vector<16>* to) noexcept {
  to[0] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  to[1] =
      __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#endif

// Rows become columns: zipping the first half with the second moves the top bit of each word's
// place to the bottom; as many times as the place has bits.
template <int Lanes>
[[gnu::always_inline]] inline void transpose(Vector<Lanes>* rows) noexcept {
#pragma GCC unroll 4
  for (int step = 1; step < Lanes; step *= 2) {
    Vector<Lanes> zipped[Lanes];
#pragma GCC unroll 8
    for (int i = 0; i < Lanes / 2; ++i) zip(rows[i], rows[i + Lanes / 2], zipped + 2 * i);
#pragma GCC unroll 16
    for (int i = 0; i < Lanes; ++i) rows[i] = zipped[i];
  }
}

// Word w of the block of each lane into message[w].
template <int Lanes>
[[gnu::always_inline]] inline void load_message(const unsigned char* const* data,
                                                std::uint64_t offset,
                                                Vector<Lanes>* message) noexcept {
#pragma GCC unroll 4
  for (int part = 0; part < 16; part += Lanes) {
#pragma GCC unroll 16
    for (int i = 0; i < Lanes; ++i) load(message[part + i], data[i] + offset + part * 4);
    transpose<Lanes>(message + part);
  }
}

template <class V>
[[gnu::always_inline]] inline void mix(V& a, V& b, V& c, V& d, const V& x, const V& y) noexcept {
  a = a + b + x;
  d ^= a;
  rotate_right<16>(d);
  c += d;
  b ^= c;
  rotate_right<12>(b);
  a = a + b + y;
  d ^= a;
  rotate_right<8>(d);
  c += d;
  b ^= c;
  rotate_right<7>(b);
}

template <class V>
[[gnu::always_inline]] inline void rounds(V* v, const V* m) noexcept {
#pragma GCC unroll 7
  for (const std::uint8_t* s : schedule) {
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
}

// The four last words of the state before the rounds.
template <class V>
[[gnu::always_inline]] inline void load_parameters(const LaneState& state, bool first, bool last,
                                                   V* to) noexcept {
  load(to[0], state.counter_low);
  load(to[1], state.counter_high);
  to[2] = V{} + 64u;
  if (last) load(to[2], state.last_bytes);
  load(to[3], state.flags);
  V more;
  if (first) {
    load(more, state.first_flags);
    to[3] |= more;
  }
  if (last) {
    load(more, state.last_flags);
    to[3] |= more;
  }
}

template <int Lanes>
[[gnu::always_inline]] inline void compress(LaneState& state, std::uint32_t blocks) noexcept {
  using V = Vector<Lanes>;
  V chaining[8];
  for (int i = 0; i < 8; ++i) load(chaining[i], state.chaining[i]);
  for (std::uint32_t block = 0; block < blocks; ++block) {
    const bool last = block + 1 == blocks;
    V message[16];
    load_message<Lanes>(last ? state.last : state.data, last ? 0 : std::uint64_t{block} * 64,
                        message);
    V v[16];
    for (int i = 0; i < 8; ++i) v[i] = chaining[i];
    for (int i = 0; i < 4; ++i) v[8 + i] = V{} + iv[i];
    load_parameters(state, block == 0, last, v + 12);
    rounds(v, message);
    for (int i = 0; i < 8; ++i) chaining[i] = v[i] ^ v[i + 8];
  }
  for (int i = 0; i < 8; ++i) __builtin_memcpy(state.chaining[i], &chaining[i], sizeof chaining[i]);
}

}  // namespace
}  // namespace larder

#endif  // LARDER_BASE_LANE_ROUNDS_H_
