// The promises of larder/store.h, over every store that there is: a suite derives from
// StoreContract and is instantiated with LARDER_OVER_EVERY_STORE. What only one store promises is
// in tests/unit.
#ifndef LARDER_TESTS_CONTRACT_STORE_CONTRACT_H_
#define LARDER_TESTS_CONTRACT_STORE_CONTRACT_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "larder/pack_store.h"
#include "larder/store.h"
#include "tests/contract/remote_stores.h"

namespace larder {

struct StoreFactory {
  std::string name;
  std::function<Result<std::shared_ptr<Store>>(const std::filesystem::path& directory)> open;
  bool persistent = false;  // a second open of the directory finds the entries of the first
  bool keeps_recipes = true;
};

inline void PrintTo(const StoreFactory& factory, std::ostream* to) { *to << factory.name; }

inline Result<std::shared_ptr<Store>> open_memory(const std::filesystem::path&) {
  return make_memory_store();
}

inline Result<std::shared_ptr<Store>> open_memory_over_memory(const std::filesystem::path&) {
  auto fast = make_memory_store();
  auto slow = make_memory_store();
  if (!fast || !slow) return slow;
  return make_layered_store({.tiers = {{*fast}, {*slow}}});
}

inline Result<std::shared_ptr<Store>> open_memory_before_queue(const std::filesystem::path&) {
  auto fast = make_memory_store();
  auto slow = make_memory_store();
  if (!fast || !slow) return slow;
  return make_layered_store({.tiers = {{*fast}, {*slow, TierWrite::behind}}});
}

inline Result<std::shared_ptr<Store>> open_file(const std::filesystem::path& directory) {
  return open_file_store({.directory = directory.string()});
}

inline Result<std::shared_ptr<Store>> open_vyre(const std::filesystem::path& directory) {
  return open_file_store({.directory = directory.string(), .layout = FileLayout::vyre});
}

inline Result<std::shared_ptr<Store>> open_pack(const std::filesystem::path& directory) {
  return open_pack_store({.directory = directory.string()});
}

// Two secrets: the first one writes.
inline Keys contract_keys() {
  const Keys::Secret secrets[] = {{1}, {2}};
  return Keys::from_secrets(secrets).value();
}

inline Result<std::shared_ptr<Store>> open_keyed_file(const std::filesystem::path& directory) {
  return open_file_store({.directory = directory.string(), .keys = contract_keys()});
}

inline Result<std::shared_ptr<Store>> open_keyed_pack(const std::filesystem::path& directory) {
  return open_pack_store({.directory = directory.string(), .keys = contract_keys()});
}

inline Result<std::shared_ptr<Store>> open_memory_over_file(
    const std::filesystem::path& directory) {
  auto fast = make_memory_store();
  auto slow = open_file(directory);
  if (!fast || !slow) return slow;
  return make_layered_store({.tiers = {{*fast}, {*slow}}});
}

inline Result<std::shared_ptr<Store>> open_queue_before_file(
    const std::filesystem::path& directory) {
  auto slow = open_file(directory);
  if (!slow) return slow;
  return make_layered_store({.tiers = {{*slow, TierWrite::behind}}});
}

inline std::vector<StoreFactory> store_factories() {
  std::vector<StoreFactory> factories = {
      {.name = "memory", .open = open_memory},
      {.name = "memory_over_memory", .open = open_memory_over_memory},
      {.name = "memory_before_queue", .open = open_memory_before_queue},
      {.name = "file", .open = open_file, .persistent = true},
      {.name = "vyre", .open = open_vyre, .persistent = true, .keeps_recipes = false},
      {.name = "pack", .open = open_pack, .persistent = true},
      {.name = "keyed_file", .open = open_keyed_file, .persistent = true},
      {.name = "keyed_pack", .open = open_keyed_pack, .persistent = true},
      {.name = "memory_over_file", .open = open_memory_over_file, .persistent = true},
      {.name = "remote", .open = open_remote_folder, .persistent = true},
      {.name = "queue_before_file", .open = open_queue_before_file, .persistent = true},
  };
  for (const auto& [name, open] : remote_servers()) {
    factories.push_back({.name = name, .open = open, .persistent = true});
  }
  return factories;
}

inline Fingerprint numbered(std::uint32_t number) {
  Fingerprint fingerprint;
  for (std::size_t i = 0; i < 32; ++i) {
    fingerprint.bytes[i] = static_cast<std::uint8_t>(number >> (8 * (i % 4)));
  }
  return fingerprint;
}

// Bytes that differ between seeds at every place, so that a mixture shows.
inline std::string payload_of(std::size_t size, std::uint8_t seed) {
  std::string payload(size, '\0');
  for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>(seed + i * 7);
  return payload;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

class StoreContract : public testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "larder_contract_" + std::string(6, 'X');
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    reopen();
  }

  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void reopen() {
    store_.reset();
    auto opened = GetParam().open(directory_ / "store");
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = *std::move(opened);
  }

  void put(const Fingerprint& fingerprint, std::string_view payload, std::string_view recipe = {}) {
    const auto stored = store_->put(fingerprint, bytes_of(payload), {.recipe = recipe});
    ASSERT_TRUE(stored) << stored.error().message;
  }

  // What a get gives, or words that no payload of these tests has.
  std::string text_of(const Fingerprint& fingerprint) {
    const auto found = store_->get(fingerprint);
    if (!found) return "error: " + found.error().message;
    return *found ? std::string((*found)->text()) : "absent";
  }

  std::filesystem::path directory_;
  std::shared_ptr<Store> store_;
};

#define LARDER_OVER_EVERY_STORE(suite)                     \
  INSTANTIATE_TEST_SUITE_P(                                \
      Stores, suite, testing::ValuesIn(store_factories()), \
      [](const testing::TestParamInfo<StoreFactory>& tested) { return tested.param.name; })

}  // namespace larder

#endif  // LARDER_TESTS_CONTRACT_STORE_CONTRACT_H_
