// A store over a real server, as tests of its transport open and ask it.
#ifndef LARDER_TESTS_REMOTE_REMOTE_CALLS_H_
#define LARDER_TESTS_REMOTE_REMOTE_CALLS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

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

}  // namespace larder

#endif  // LARDER_TESTS_REMOTE_REMOTE_CALLS_H_
