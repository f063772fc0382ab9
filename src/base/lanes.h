// Runs parts of BLAKE3 computations side by side, whatever messages they belong to.
#ifndef LARDER_BASE_LANES_H_
#define LARDER_BASE_LANES_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace larder {

using KeyWords = std::array<std::uint32_t, 8>;

inline constexpr KeyWords plain_key_words = {0x6A09E667u, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au,
                                             0x510E527Fu, 0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u};

inline constexpr std::size_t block_bytes = 64;
inline constexpr std::size_t chunk_bytes = 1024;

// BLAKE3's flags.
inline constexpr std::uint8_t chunk_start_flag = 1;
inline constexpr std::uint8_t chunk_end_flag = 2;
inline constexpr std::uint8_t parent_flag = 4;
inline constexpr std::uint8_t root_flag = 8;
inline constexpr std::uint8_t keyed_flag = 16;

// BLAKE3 reads and writes little-endian words; these copy, where the machine has them too.
constexpr std::uint32_t little(std::uint32_t word) noexcept {
  return std::endian::native == std::endian::little ? word : std::byteswap(word);
}

inline KeyWords key_words(std::span<const std::uint8_t, 32> key) noexcept {
  KeyWords words;
  std::memcpy(words.data(), key.data(), key.size());
  for (std::uint32_t& word : words) word = little(word);
  return words;
}

inline void store_words(KeyWords words, std::uint8_t* digest) noexcept {
  for (std::uint32_t& word : words) word = little(word);
  std::memcpy(digest, words.data(), 32);
}

enum class LaneLevel : std::uint8_t { any, avx2, avx512 };

// The best that this processor, and this build, can do.
LaneLevel best_lane_level() noexcept;

// How many jobs a level computes at a time.
std::size_t lanes_of(LaneLevel level) noexcept;

// One chunk, or one parent node.
struct LaneJob {
  const KeyWords* key = nullptr;
  std::span<const std::byte> data = {};  // at most chunk_bytes
  std::uint64_t counter = 0;
  std::uint8_t flags = 0;          // of every block,
  std::uint8_t first_flags = 0;    // of the first one besides,
  std::uint8_t last_flags = 0;     // of the last one besides
  std::uint8_t* digest = nullptr;  // 32 bytes

  std::uint32_t blocks() const noexcept {
    return data.empty() ? 1 : static_cast<std::uint32_t>((data.size() + 63) / block_bytes);
  }
};

// A whole message of at most one chunk.
inline LaneJob short_job(const KeyWords& key, std::uint8_t flags,
                         std::span<const std::byte> message, std::uint8_t* digest) noexcept {
  return {.key = &key,
          .data = message,
          .flags = flags,
          .first_flags = chunk_start_flag,
          .last_flags = chunk_end_flag | root_flag,
          .digest = digest};
}

#ifdef LARDER_BLAKE3_INTERNAL
// One block after the other, from block `done` on, with that chaining value.
void hash_alone(const LaneJob& job, KeyWords chaining, std::uint32_t done) noexcept;
#endif

// Computes at most lanes_of(level) jobs, of which none may have more blocks than the one before it.
// Where all have equally many, all data is read before the first digest is written. For machines
// with little-endian words only.
void hash_in_lanes(std::span<const LaneJob> jobs, LaneLevel level) noexcept;

}  // namespace larder

#endif  // LARDER_BASE_LANES_H_
