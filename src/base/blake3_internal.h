// What BLAKE3's C sources have below their public header. It is there when they are compiled with
// us; an installed BLAKE3 hides it.
#ifndef LARDER_BASE_BLAKE3_INTERNAL_H_
#define LARDER_BASE_BLAKE3_INTERNAL_H_

#include <cstddef>
#include <cstdint>

extern "C" {

// One block, 64 bytes with zeros behind `block_bytes`, into the chaining value.
void blake3_compress_in_place(std::uint32_t chaining[8], const std::uint8_t block[64],
                              std::uint8_t block_bytes, std::uint64_t counter, std::uint8_t flags);

// `inputs` inputs of `blocks` whole blocks each, side by side where the processor can.
void blake3_hash_many(const std::uint8_t* const* input, std::size_t inputs, std::size_t blocks,
                      const std::uint32_t key[8], std::uint64_t counter, bool increment_counter,
                      std::uint8_t flags, std::uint8_t first_flags, std::uint8_t last_flags,
                      std::uint8_t* digests);
}

#endif  // LARDER_BASE_BLAKE3_INTERNAL_H_
