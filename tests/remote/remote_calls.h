// A store over a real server, as tests of its transport open and ask it.
#ifndef LARDER_TESTS_REMOTE_REMOTE_CALLS_H_
#define LARDER_TESTS_REMOTE_REMOTE_CALLS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "larder/remote.h"
#include "tests/contract/store_contract.h"

namespace larder {

inline RemoteStoreOptions options_of(const std::string& url) {
  RemoteStoreOptions options;
  options.url = url;
  options.breaker.failures = 100;
  options.timeouts = {std::chrono::milliseconds(1000), std::chrono::milliseconds(1000),
                      std::chrono::milliseconds(10'000)};
  return options;
}

inline std::shared_ptr<RemoteStore> opened(const RemoteStoreOptions& options) {
  auto store = open_remote_store(options);
  EXPECT_TRUE(store) << store.error().message;
  return store ? *store : nullptr;
}

inline std::string text_of(RemoteStore& store, std::uint32_t number) {
  const auto found = store.get(numbered(number));
  if (!found) return "error: " + found.error().message;
  return *found ? std::string((*found)->text()) : "absent";
}

// Two hundred are asked for in one call: a third is absent, `garble` puts garbage in the place of
// one and `stretch` makes another one longer than `store` takes (100,000 bytes), on the server
// itself.
template <class Garble, class Stretch>
void expect_many_to_be_told_apart(RemoteStore& store, const Garble& garble,
                                  const Stretch& stretch) {
  constexpr std::uint32_t garbled = 10, stretched = 20;
  std::vector<Fingerprint> asked;
  for (std::uint32_t i = 0; i < 200; ++i) {
    asked.push_back(numbered(i));
    if (i % 3 == 0) continue;
    ASSERT_TRUE(store.put(numbered(i), bytes_of(payload_of(i * 100, 1))));
  }
  garble(garbled);
  stretch(stretched);
  const auto before = store.remote_metrics();
  const auto found = store.get_many(asked).value();
  ASSERT_EQ(found.size(), asked.size());
  for (std::uint32_t i = 0; i < 200; ++i) {
    if (i == garbled || i == stretched) {
      ASSERT_FALSE(found[i]) << i;
      EXPECT_EQ(found[i].error().code, i == garbled ? Errc::corrupt : Errc::too_large);
      continue;
    }
    ASSERT_TRUE(found[i]) << i << found[i].error().message;
    EXPECT_EQ(found[i]->has_value(), i % 3 != 0) << i;
    EXPECT_TRUE(!*found[i] || (**found[i]).text() == payload_of(i * 100, 1)) << i;
  }
  const RemoteMetrics told = store.remote_metrics().since(before);
  EXPECT_EQ(told.lookups, 200u);
  EXPECT_EQ(told.corrupt, 1u);
  EXPECT_EQ(told.skipped, 1u);
  EXPECT_EQ(told.absent, 67u);
  EXPECT_TRUE(told.balanced());
}

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_REMOTE_CALLS_H_
