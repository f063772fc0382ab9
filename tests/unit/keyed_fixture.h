// Secrets for the tests of the authenticated mode.
#ifndef LARDER_TESTS_UNIT_KEYED_FIXTURE_H_
#define LARDER_TESTS_UNIT_KEYED_FIXTURE_H_

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "base/derived_keys.h"
#include "larder/keys.h"

namespace larder {

// One secret for each seed; the first is written with.
inline Keys keys_of(std::initializer_list<std::uint8_t> seeds) {
  std::vector<Keys::Secret> secrets;
  for (const std::uint8_t seed : seeds) secrets.emplace_back().fill(seed);
  return Keys::from_secrets(secrets).value();
}

// What somebody has who knows everything but the secret.
inline DerivedKey forged_key_of(const Keys& keys) {
  DerivedKey key{.id = keys.ids().front()};
  key.bytes.fill(0xee);
  return key;
}

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_KEYED_FIXTURE_H_
