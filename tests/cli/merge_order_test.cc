// In which order `merge` copies: what was used last comes last, and stays where room is short.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "cli/merge.h"
#include "larder/cache.h"

namespace larder::cli {
namespace {

namespace fs = std::filesystem;

TEST(MergeOrder, WhatWasUsedLastComesLast) {
  std::string pattern =
      (fs::temp_directory_path() / "larder-merge-").string() + std::string(6, 'X');
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const fs::path root = pattern;
  auto store = open_store({.location = {StoreKind::file, root / "store"}});
  ASSERT_TRUE(store) << store.error().message;
  const auto now = fs::file_time_type::clock::now();
  for (const std::uint8_t days_ago : {3, 1, 4, 2}) {
    const Fingerprint fingerprint = {{days_ago}};
    ASSERT_TRUE((*store)->put(fingerprint, {}));
    const std::string hex = fingerprint.hex();
    fs::last_write_time(root / "store" / hex.substr(0, 2) / (hex + ".art"),
                        now - std::chrono::hours(24 * days_ago));
  }
  std::vector<EntryInfo> entries;
  const auto listed = list_by_last_use(**store, entries);
  ASSERT_TRUE(listed) << listed.error().message;
  std::string order;
  for (const EntryInfo& entry : entries) order += std::to_string(entry.fingerprint.bytes[0]);
  EXPECT_EQ(order, "4321");
  fs::remove_all(root);
}

}  // namespace
}  // namespace larder::cli
