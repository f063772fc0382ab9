// File stores with a key: what was made without the secret is a miss, and entries of others stay.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "format/entry.h"
#include "tests/unit/file_store_fixture.h"
#include "tests/unit/keyed_fixture.h"

namespace larder {
namespace {

class KeyedFileStore : public FileStoreFixture {
 protected:
  std::shared_ptr<Store> open_with(const Keys& keys) {
    options_.keys = keys;
    return open();
  }

  // As somebody writes it who may write into the store.
  void write_entry(const Fingerprint& name, const Fingerprint& fingerprint,
                   std::string_view payload, const DerivedKey& forged) const {
    const auto entry =
        format::encode_entry(FileLayout::larder, fingerprint, bytes_of(payload), {}, forged);
    std::string file;
    for (const auto piece : entry.pieces()) {
      file.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    make_folder_of(name);
    write_whole(path_of(name), file);
  }

  bool is_there(const Fingerprint& fingerprint) const {
    return std::filesystem::exists(path_of(fingerprint));
  }

  const Keys ours_ = keys_of({1});
  const Keys theirs_ = keys_of({2});
};
INSTANTIATE_TEST_SUITE_P(Layouts, KeyedFileStore, ::testing::Values(FileLayout::larder));

TEST_P(KeyedFileStore, ServesWhatWasPutWithTheKeyToNobodyElse) {
  ASSERT_EQ(outcome(open_with(ours_)->put(key(1), bytes_of("ours"))), "ok");
  EXPECT_EQ(content(open_with(ours_)->get(key(1))), "ours");
  for (const Keys& others : {theirs_, Keys()}) {
    const auto store = open_with(others);
    EXPECT_EQ(content(store->get(key(1))), "absent");
    EXPECT_EQ(store->metrics().absent, 1u);
    const auto details = store->inspect(key(1));
    ASSERT_TRUE(details);
    EXPECT_FALSE(*details);
    EXPECT_EQ(store->remove(key(1)), false);
    EXPECT_TRUE(is_there(key(1)));
  }
  const auto store = open_with(ours_);
  EXPECT_EQ(content(store->get(key(1))), "ours");
  const auto details = store->inspect(key(1));
  ASSERT_TRUE(details && *details);
  EXPECT_EQ((*details)->key_id, ours_.ids().front());
  EXPECT_EQ(store->remove(key(1)), true);
}

TEST_P(KeyedFileStore, WhatHasNoKeyIsAMissForWhoHasOne) {
  ASSERT_EQ(outcome(open()->put(key(1), bytes_of("anybody's"))), "ok");
  const auto store = open_with(ours_);
  EXPECT_EQ(content(store->get(key(1))), "absent");
  EXPECT_EQ(store->remove(key(1)), false);
  EXPECT_EQ(content(open_with({})->get(key(1))), "anybody's");
}

TEST_P(KeyedFileStore, APutReplacesWhatAnotherKeyPut) {
  ASSERT_EQ(outcome(open_with(ours_)->put(key(1), bytes_of("same"))), "ok");
  ASSERT_EQ(outcome(open_with(theirs_)->put(key(1), bytes_of("same"))), "ok");
  EXPECT_EQ(content(open_with(theirs_)->get(key(1))), "same");
  EXPECT_EQ(content(open_with(ours_)->get(key(1))), "absent");
}

TEST_P(KeyedFileStore, VisitTellsWhoseAnEntryIs) {
  ASSERT_EQ(outcome(open_with(ours_)->put(key(1), bytes_of("ours"))), "ok");
  ASSERT_EQ(outcome(open_with(theirs_)->put(key(2), bytes_of("theirs"))), "ok");
  std::vector<std::pair<std::uint8_t, bool>> seen;
  ASSERT_TRUE(open_with(ours_)->visit([&](const EntryInfo& entry) {
    seen.emplace_back(entry.fingerprint.bytes[0], entry.other_key);
    return Visit::go_on;
  }));
  std::ranges::sort(seen);
  EXPECT_EQ(seen, (std::vector<std::pair<std::uint8_t, bool>>{{1, false}, {2, true}}));
}

TEST_P(KeyedFileStore, EveryFlippedBitIsAMiss) {
  const auto store = open_with(ours_);
  ASSERT_EQ(outcome(store->put(key(1), bytes_of("ours"))), "ok");
  const std::string good = read_whole(path_of(key(1)));
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string flipped = good;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    write_whole(path_of(key(1)), flipped);
    ASSERT_NE(content(store->get(key(1))), "ours") << bit;
  }
  write_whole(path_of(key(1)), good);
  EXPECT_EQ(content(store->get(key(1))), "ours");
}

// By somebody who may write into the store and knows everything but the secret.
TEST_P(KeyedFileStore, NothingForgedIsServed) {
  const auto store = open_with(ours_);
  ASSERT_EQ(outcome(store->put(key(1), bytes_of("good"))), "ok");
  write_entry(key(1), key(1), "evil", forged_key_of(ours_));
  EXPECT_EQ(content(store->get(key(1))), "error: corrupt");
  EXPECT_FALSE(is_there(key(1))) << "it named our key, and was not made with it";
  write_entry(key(1), key(1), "evil", {});
  EXPECT_EQ(content(store->get(key(1))), "absent");
  EXPECT_TRUE(is_there(key(1))) << "it may be somebody's who has no key";
  ASSERT_EQ(outcome(store->put(key(1), bytes_of("good"))), "ok");
  EXPECT_EQ(content(store->get(key(1))), "good");
}

TEST_P(KeyedFileStore, AnEntryIsGoodUnderItsNameAndInItsStoreAlone) {
  const auto store = open_with(ours_);
  ASSERT_EQ(outcome(store->put(key(1), bytes_of("one"))), "ok");
  make_folder_of(key(2));
  write_whole(path_of(key(2)), read_whole(path_of(key(1))));
  EXPECT_EQ(content(store->get(key(2))), "error: corrupt");
  const std::string moved = read_whole(path_of(key(1)));
  options_.directory = (directory_ / "another").string();
  const auto another = open_with(ours_);
  ASSERT_EQ(outcome(another->put(key(1), bytes_of("two"))), "ok");
  write_whole(path_of(key(1)), moved);
  EXPECT_EQ(content(another->get(key(1))), "error: corrupt");
}

TEST_P(KeyedFileStore, OlderKeysAreReadAndNotWritten) {
  ASSERT_EQ(outcome(open_with(keys_of({1}))->put(key(1), bytes_of("one"))), "ok");
  ASSERT_EQ(outcome(open_with(keys_of({1}))->put(key(2), bytes_of("two"))), "ok");
  const auto both = open_with(keys_of({3, 1}));
  EXPECT_EQ(content(both->get(key(1))), "one");
  ASSERT_EQ(outcome(both->put(key(1), bytes_of("one"))), "ok");
  EXPECT_EQ(both->metrics().puts, 1u) << "the same bytes, but under a key that will go";
  EXPECT_EQ(content(both->get(key(1))), "one");
  const auto rotated = open_with(keys_of({3}));
  EXPECT_EQ(content(rotated->get(key(1))), "one");
  EXPECT_EQ(content(rotated->get(key(2))), "absent");
}

TEST_P(KeyedFileStore, EvictionAndClearTakeEntriesOfEveryKey) {
  ASSERT_EQ(outcome(open_with(ours_)->put(key(1), bytes_of("ours"))), "ok");
  const auto cleared = open_with(theirs_)->clear();
  ASSERT_TRUE(cleared);
  EXPECT_EQ(cleared->evicted_entries, 1u);
  EXPECT_FALSE(is_there(key(1)));
}

// By get, by a repair, and by a budget that they do not exceed: whole or damaged.
TEST_P(KeyedFileStore, UpkeepTakesNothingOfAnotherKey) {
  ASSERT_EQ(outcome(open_with(ours_)->put(key(1), bytes_of("ours"))), "ok");
  ASSERT_EQ(outcome(open_with(theirs_)->put(key(2), bytes_of("theirs"))), "ok");
  ASSERT_EQ(outcome(open_with({})->put(key(3), bytes_of("anybody's"))), "ok");
  for (const bool is_damaged : {false, true}) {
    if (is_damaged) {
      for (const std::uint8_t i : {1, 2, 3}) flip_last_bit(key(i));
    }
    const auto stranger = open_with(keys_of({5}));
    for (const std::uint8_t i : {1, 2, 3}) {
      EXPECT_EQ(content(stranger->get(key(i))), "absent");
    }
    ASSERT_TRUE(stranger->visit_strays(
        [](const Stray& stray) {
          ADD_FAILURE() << stray.location << ": " << stray.message;
          return Visit::go_on;
        },
        Repair::yes));
    EXPECT_EQ(stranger->prune({.max_age_s = 1'000})->evicted_entries, 0u);
    ASSERT_TRUE(stranger->flush());
    for (const std::uint8_t i : {1, 2, 3}) EXPECT_TRUE(is_there(key(i)));
    if (is_damaged) break;
    EXPECT_EQ(content(open_with(ours_)->get(key(1))), "ours");
    EXPECT_EQ(content(open_with(theirs_)->get(key(2))), "theirs");
    EXPECT_EQ(content(open_with({})->get(key(3))), "anybody's");
  }
  EXPECT_EQ(content(open_with(ours_)->get(key(1))), "error: corrupt");
  EXPECT_FALSE(is_there(key(1))) << "its owner knows";
}

TEST_P(KeyedFileStore, TheVyreLayoutHasNoRoomForAKey) {
  options_.layout = FileLayout::vyre;
  options_.keys = ours_;
  EXPECT_EQ(outcome(open_file_store(options_)), "invalid_argument");
}

}  // namespace
}  // namespace larder
