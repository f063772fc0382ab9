// What power cuts, tried in every state of short histories, once took from the stores.
#include <gtest/gtest.h>

#include "larder/pack_store.h"
#include "larder/store.h"
#include "larder/testing/memory_file_system.h"

namespace larder {
namespace {

using testing::CrashChoice;
using testing::MemoryFileSystem;

Fingerprint key(std::uint8_t number) {
  Fingerprint fingerprint;
  fingerprint.bytes.fill(number);
  return fingerprint;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string content(const Result<std::optional<Artifact>>& found) {
  if (!found) return found.error().message;
  return *found ? std::string((*found)->text()) : "absent";
}

std::shared_ptr<Store> open_pack(FileSystem& disk) {
  return open_pack_store({.directory = "/store", .file_system = &disk}).value();
}

std::shared_ptr<Store> open_files(FileSystem& disk) {
  return open_file_store({.directory = "/store", .file_system = &disk}).value();
}

// The names of an index that was made but not of the state that leads to it: the number is given
// once more, and the old table still has the name after the next power cut unless the close made
// the new one's durable.
TEST(StoresInPowerCuts, AnOldIndexUnderANumberGivenTwiceIsNotBelieved) {
  MemoryFileSystem disk;
  const auto before = open_pack(disk);
  const auto found = disk.crash_point().open([](const CrashChoice& choice) {
    const bool is_of_index =
        choice.kind == CrashChoice::Kind::name || choice.name.starts_with("index.");
    return is_of_index ? choice.now : 0;
  });
  auto store = open_pack(*found);
  ASSERT_TRUE(store->put(key(1), bytes_of("flushed")));
  ASSERT_TRUE(store->flush());
  store.reset();
  EXPECT_EQ(content(open_pack(*found->crash_clone(1, 0))->get(key(1))), "flushed");
}

// The rename and the removal of what was put are both unsynced when nothing else is pending.
TEST(StoresInPowerCuts, AFlushAfterAnEvictionDoesNotBringTheReplacedEntryBack) {
  MemoryFileSystem disk;
  const auto store = open_files(disk);
  ASSERT_TRUE(store->put(key(1), bytes_of("old")));
  ASSERT_TRUE(store->flush());
  ASSERT_TRUE(store->put(key(1), bytes_of("new")));
  ASSERT_TRUE(store->clear());
  EXPECT_FALSE(store->durability().durable);
  ASSERT_TRUE(store->flush());
  EXPECT_TRUE(store->durability().durable);
  EXPECT_EQ(content(open_files(*disk.crash_clone(1, 0))->get(key(1))), "absent");
}

}  // namespace
}  // namespace larder
