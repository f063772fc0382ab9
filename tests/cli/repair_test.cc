// What `verify --repair` does about an entry that was found damaged a moment ago.
#include "cli/repair.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "larder/cache.h"
#include "larder/recipe.h"

namespace larder::cli {
namespace {

namespace fs = std::filesystem;

class RepairTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (fs::temp_directory_path() / "larder-repair-").string() + std::string(6, 'X');
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    auto opened = open_store({.location = {StoreKind::file, root_ / "store"}});
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
    const Recipe recipe = Recipe("example.org 2026-11 repair").field("options", "of the recipe");
    fingerprint_ = recipe.fingerprint().value();
    encoded_recipe_ = recipe.encode();
    put();
  }
  void TearDown() override { fs::remove_all(root_); }

  void put() {
    const auto bytes = std::as_bytes(std::span(payload_));
    const auto done = store_->put(fingerprint_, bytes, {.recipe = encoded_recipe_});
    ASSERT_TRUE(done) << done.error().message;
  }

  fs::path entry() const {
    const std::string hex = fingerprint_.hex();
    return root_ / "store" / hex.substr(0, 2) / (hex + ".art");
  }

  // Flips a bit of the first place in the entry's file that holds `text`.
  void damage(std::string_view text) const {
    std::ifstream input(entry(), std::ios::binary);
    std::string content{std::istreambuf_iterator<char>(input), {}};
    const std::size_t at = content.find(text);
    ASSERT_NE(at, std::string::npos);
    content[at] ^= 1;
    std::ofstream(entry(), std::ios::binary) << content;
  }

  void expect_repaired() const {
    const auto repaired = repair(*store_, fingerprint_);
    ASSERT_TRUE(repaired) << repaired.error().message;
    EXPECT_TRUE(*repaired);
  }

  const std::string payload_ = "of the payload";
  fs::path root_;
  std::shared_ptr<Store> store_;
  Fingerprint fingerprint_;
  std::string encoded_recipe_;
};

TEST_F(RepairTest, ADamagedPayloadIsRemoved) {
  damage(payload_);
  expect_repaired();
  EXPECT_FALSE(fs::exists(entry()));
}

TEST_F(RepairTest, ADamagedRecipeIsRemovedThoughTheEntryIsAHit) {
  damage("of the recipe");
  ASSERT_TRUE(store_->contains(fingerprint_).value());
  expect_repaired();
  EXPECT_FALSE(fs::exists(entry()));
}

TEST_F(RepairTest, WhatAnotherProcessHasPutInItsPlaceStays) {
  damage(payload_);
  ASSERT_EQ(store_->inspect(fingerprint_).error().code, Errc::corrupt);
  put();
  expect_repaired();
  EXPECT_TRUE(store_->contains(fingerprint_).value());
}

TEST_F(RepairTest, WhatHasBecomeForeignStaysAndIsNotCalledRepaired) {
  fs::remove(entry());
  fs::create_directory(entry());
  const auto repaired = repair(*store_, fingerprint_);
  ASSERT_TRUE(repaired) << repaired.error().message;
  EXPECT_FALSE(*repaired);
  EXPECT_TRUE(fs::is_directory(entry()));
}

}  // namespace
}  // namespace larder::cli
