#include "store/secret_hash.h"

#include <gtest/gtest.h>

#include <set>

namespace larder {
namespace {

Fingerprint differing_in(std::size_t byte, std::uint8_t value) {
  Fingerprint fingerprint;
  fingerprint.bytes[byte] = value;
  return fingerprint;
}

TEST(SecretHash, CopiesAgreeAndFreshOnesDoNot) {
  const SecretHash hash = SecretHash::make();
  const SecretHash copy = hash;
  const SecretHash other = SecretHash::make();
  EXPECT_EQ(hash(differing_in(5, 1)), copy(differing_in(5, 1)));
  EXPECT_NE(hash(differing_in(5, 1)), other(differing_in(5, 1)));
}

TEST(SecretHash, EveryByteCounts) {
  const SecretHash hash = SecretHash::make();
  std::set<std::size_t> values = {hash(Fingerprint{})};
  for (std::size_t byte = 0; byte < Fingerprint::size_bytes; ++byte) {
    values.insert(hash(differing_in(byte, 1)));
  }
  EXPECT_GE(values.size(), 32u);  // 33 unless two of them collide, by a chance of one in millions
}

}  // namespace
}  // namespace larder
