// What the secrets of a store's owner become: keys for one purpose in one store.
#ifndef LARDER_BASE_DERIVED_KEYS_H_
#define LARDER_BASE_DERIVED_KEYS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "larder/keys.h"

namespace larder {

struct DerivedKey {
  std::uint64_t id = 0;  // 0: no key
  std::array<std::uint8_t, 32> bytes = {};
};

// One for each secret, in their order: BLAKE3, key derivation mode, `context`, of the secret and
// `scope`. Without secrets a single one, with id 0: what has no key is written and read.
std::vector<DerivedKey> derive_keys(const Keys& keys, std::string_view context,
                                    std::span<const std::byte> scope);

// Null when none of them has that id.
const DerivedKey* find_key(std::span<const DerivedKey> keys, std::uint64_t id) noexcept;

}  // namespace larder

#endif  // LARDER_BASE_DERIVED_KEYS_H_
