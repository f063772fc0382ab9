// Pack stores with a key: entries of different keys stand beside each other, and nobody loses
// another one's.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "tests/unit/keyed_pack_fixture.h"

namespace larder {
namespace {

using KeyedPack = KeyedPackFixture;

TEST_F(KeyedPack, ServesWhatWasPutWithTheKey) {
  {
    const auto store = open_with(ours_);
    ASSERT_EQ(put(*store, numbered(1), "one"), "ok");
    ASSERT_EQ(put(*store, numbered(2), big_), "ok");
    EXPECT_EQ(put(*store, numbered(1), "one"), "ok");
    EXPECT_EQ(store->metrics().puts_unchanged, 1u);
  }
  for (const bool is_lost : {false, true}) {
    if (is_lost) lose_the_index();
    const auto store = open_with(ours_);
    EXPECT_EQ(content(store->get(numbered(1))), "one");
    EXPECT_TRUE(content(store->get(numbered(2))) == big_);
    const auto many = store->get_many(std::vector{numbered(1), numbered(2), numbered(3)}).value();
    EXPECT_EQ(content(many[0]), "one");
    EXPECT_TRUE(content(many[1]) == big_);
    EXPECT_EQ(content(many[2]), "absent");
    std::array<std::byte, 8> into;
    const auto length = store->get_into(numbered(1), into);
    ASSERT_TRUE(length && *length);
    EXPECT_EQ(**length, 3u);
    const auto view = store->view(numbered(1));
    ASSERT_TRUE(view && *view);
    EXPECT_EQ((*view)->bytes().size(), 3u);
    for (const std::uint32_t number : {1u, 2u}) {
      const auto details = store->inspect(numbered(number));
      ASSERT_TRUE(details && *details);
      EXPECT_EQ((*details)->key_id, ours_.ids().front());
    }
  }
}

TEST_F(KeyedPack, EntriesOfDifferentKeysStandBesideEachOther) {
  const std::pair<Keys, std::string> owners[] = {
      {ours_, "ours"}, {theirs_, "theirs"}, {none_, "anybody's"}};
  for (const auto& [keys, payload] : owners) {
    EXPECT_EQ(get_with(keys, numbered(1)), "absent");
    EXPECT_EQ(open_with(keys)->remove(numbered(1)), false);
    put_with(keys, numbered(1), payload);
    put_with(keys, numbered(2), big_);
  }
  for (const bool is_lost : {false, true}) {
    if (is_lost) lose_the_index();
    for (const auto& [keys, payload] : owners) {
      const auto store = open_with(keys);
      EXPECT_EQ(content(store->get(numbered(1))), payload);
      EXPECT_TRUE(content(store->get(numbered(2))) == big_);
      EXPECT_EQ(count_visited(*store, false), 2u);
      EXPECT_EQ(count_visited(*store, true), 4u);
    }
  }
}

TEST_F(KeyedPack, ALayeredStoreListsOnesOwnBesideThoseOfAnotherKey) {
  for (const Keys& keys : {none_, ours_, theirs_}) {
    const auto store = open_with(keys);
    for (std::uint32_t i = 0; i < 20; ++i) ASSERT_EQ(put(*store, numbered(i), "same"), "ok");
  }
  const auto layered = make_layered_store({.tiers = {{*make_memory_store()}, {open_with(ours_)}}});
  ASSERT_TRUE(layered);
  EXPECT_EQ(content((*layered)->get(numbered(0))), "same");
  EXPECT_EQ(count_visited(**layered, false), 20u);
  EXPECT_EQ(count_visited(**layered, true), 40u);
}

TEST_F(KeyedPack, AMissForWantOfTheKeyIsCountedAsAbsent) {
  put_with(ours_, numbered(1), "ours");
  const auto store = open_with(theirs_);
  EXPECT_EQ(content(store->get(numbered(1))), "absent");
  EXPECT_EQ(store->metrics().absent, 1u);
  EXPECT_EQ(store->metrics().corrupt, 0u);
  const auto details = store->inspect(numbered(1));
  ASSERT_TRUE(details);
  EXPECT_FALSE(*details);
}

TEST_F(KeyedPack, ARemovalTakesAwayNothingOfAnotherKeyAlsoAfterARebuild) {
  put_with(ours_, numbered(1), "ours");
  for (const Keys& others : {theirs_, none_}) {
    put_with(others, numbered(1), "others'");
    EXPECT_EQ(open_with(others)->remove(numbered(1)), true);
    lose_the_index();
    EXPECT_EQ(get_with(ours_, numbered(1)), "ours");
    EXPECT_EQ(get_with(others, numbered(1)), "absent");
  }
}

// Whoever makes the index anew: what was removed is gone, and what was put is there.
TEST_F(KeyedPack, ARebuildWithoutTheKeyLosesNothingAndBringsNothingBack) {
  put_with(ours_, numbered(1), "old");
  put_with(ours_, numbered(1), "new");
  put_with(ours_, numbered(2), "removed");
  put_with(ours_, numbered(3), big_);
  EXPECT_EQ(open_with(ours_)->remove(numbered(2)), true);
  for (const Keys& rebuilder : {theirs_, none_, ours_}) {
    lose_the_index();
    (void)open_with(rebuilder);
    const auto store = open_with(ours_);
    EXPECT_EQ(content(store->get(numbered(1))), "new");
    EXPECT_EQ(content(store->get(numbered(2))), "absent");
    EXPECT_TRUE(content(store->get(numbered(3))) == big_);
  }
}

TEST_F(KeyedPack, WhoLacksTheKeyDoesNotTakeADamagedFileOfItForGood) {
  put_with(ours_, numbered(1), big_);
  for (const auto& file : std::filesystem::recursive_directory_iterator(root() / "large")) {
    if (file.path().extension() == ".art") std::filesystem::resize_file(file.path(), 1000);
  }
  lose_the_index();
  EXPECT_EQ(count_visited(*open_with(none_), true), 0u);
}

// Records are carried by who cannot verify them, and stay authentic where they are put.
TEST_F(KeyedPack, EvictionWithoutTheKeyCarriesWhatItsOwnerReads) {
  {
    const auto store = open_with(ours_);
    fill(*store, 0, 100);
    ASSERT_EQ(put(*store, numbered(200), big_), "ok");
    for (std::uint32_t i = 1; i < 100; ++i) EXPECT_EQ(store->remove(numbered(i)), true);
    ASSERT_TRUE(store->flush());
  }
  const std::string before = segment_of(*open_with(ours_), numbered(0));
  ASSERT_TRUE(open_with(none_)->maintain());
  for (const bool is_lost : {false, true}) {
    if (is_lost) lose_the_index();
    const auto store = open_with(ours_);
    EXPECT_NE(segment_of(*store, numbered(0)), before) << "it was not carried";
    EXPECT_EQ(content(store->get(numbered(0))), payload_of(4096, 0));
    EXPECT_TRUE(content(store->get(numbered(200))) == big_);
    EXPECT_EQ(count_present(*store, 1, 100), 0u);
  }
}

TEST_F(KeyedPack, EvictionTakesEntriesOfEveryKey) {
  put_with(ours_, numbered(1), "ours");
  put_with(ours_, numbered(2), big_);
  const auto store = open_with(theirs_);
  ASSERT_EQ(put(*store, numbered(1), "theirs"), "ok");
  const auto cleared = store->clear();
  ASSERT_TRUE(cleared);
  EXPECT_EQ(cleared->evicted_entries, 3u);
  EXPECT_EQ(count_visited(*store, true), 0u);
  EXPECT_EQ(count_large_files(), 0u);
}

// A newer value is evicted by somebody who cannot leave a removal that its owner would believe.
TEST_F(KeyedPack, EvictionWithoutTheKeyDoesNotUncoverAnOlderValue) {
  put_with(ours_, numbered(1), "old");
  put_with(ours_, numbered(2), "old");
  const std::string old_segment = segment_of(*open_with(ours_), numbered(1));
  {
    const auto held = hold(old_segment);
    put_with(ours_, numbered(1), "new");
    put_with(ours_, numbered(2), big_);
    for (const Keys& evictor : {none_, theirs_}) {
      const auto store = open_with(evictor);
      ASSERT_TRUE(store->clear());
      ASSERT_TRUE(store->maintain());
    }
    EXPECT_NE(get_with(ours_, numbered(1)), "old");
    EXPECT_TRUE(get_with(ours_, numbered(2)) == big_) << "with its file";
  }
  ASSERT_TRUE(std::filesystem::exists(segments() / old_segment));
  lose_the_index();
  EXPECT_EQ(get_with(ours_, numbered(1)), "new");
  EXPECT_TRUE(get_with(ours_, numbered(2)) == big_);
}

TEST_F(KeyedPack, OlderKeysAreReadAndNotWritten) {
  put_with(keys_of({1}), numbered(1), "one");
  put_with(keys_of({1}), numbered(2), "two");
  put_with(keys_of({1}), numbered(3), big_);
  const auto both = open_with(keys_of({3, 1}));
  EXPECT_EQ(content(both->get(numbered(1))), "one");
  EXPECT_TRUE(content(both->get(numbered(3))) == big_);
  const auto many = both->get_many(std::vector{numbered(1), numbered(2)}).value();
  EXPECT_EQ(content(many[1]), "two");
  ASSERT_EQ(put(*both, numbered(1), "one"), "ok");
  ASSERT_EQ(put(*both, numbered(2), "newer"), "ok");
  EXPECT_EQ(count_visited(*both, false), 3u) << "the older ones gave way";
  EXPECT_EQ(content(both->get(numbered(2))), "newer");
  lose_the_index();
  EXPECT_EQ(get_with(keys_of({1}), numbered(1)), "absent");
  EXPECT_EQ(get_with(keys_of({1}), numbered(2)), "absent");
  EXPECT_TRUE(get_with(keys_of({1}), numbered(3)) == big_);
  EXPECT_EQ(get_with(keys_of({3}), numbered(1)), "one");
  EXPECT_EQ(get_with(keys_of({3}), numbered(2)), "newer");
  EXPECT_EQ(get_with(keys_of({3}), numbered(3)), "absent");
}

// Who lacks an older key takes nothing away that was written with it.
TEST_F(KeyedPack, AVisitTellsOnceWhatIsThereUnderTwoKeys) {
  put_with(keys_of({1}), numbered(1), "of key one");
  put_with(keys_of({3}), numbered(1), "of three");
  const std::pair<Keys, std::string> owners[] = {{keys_of({3, 1}), "of three"},
                                                 {keys_of({1, 3}), "of key one"}};
  for (const auto& [keys, payload] : owners) {
    const auto store = open_with(keys);
    EXPECT_EQ(content(store->get(numbered(1))), payload);
    std::vector<std::uint64_t> sizes;
    EXPECT_TRUE(store->visit([&](const EntryInfo& entry) {
      sizes.push_back(entry.payload_bytes);
      return Visit::go_on;
    }));
    EXPECT_EQ(sizes, std::vector<std::uint64_t>{payload.size()});
  }
  const auto older = open_with(keys_of({1}));
  EXPECT_EQ(count_visited(*older, false), 1u);
  EXPECT_EQ(count_visited(*older, true), 1u) << "of another key, and told as such";
}

TEST_F(KeyedPack, AVisitTellsWhatADamagedRecordDoesNotHide) {
  put_with(keys_of({1}), numbered(1), "of key one");
  {
    const auto store = open_with(keys_of({3}));
    ASSERT_EQ(put(*store, numbered(1), "of three"), "ok");
    ASSERT_TRUE(store->flush());
  }
  std::size_t damaged = 0;
  for (const std::string& name : segment_names()) {
    std::fstream file(segments() / name, std::ios::in | std::ios::out | std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    const std::size_t at = bytes.find("of three");
    if (at == std::string::npos) continue;
    file.seekp(static_cast<std::streamoff>(at - 100));
    file.put(static_cast<char>(bytes[at - 100] ^ 1));
    ++damaged;
  }
  ASSERT_EQ(damaged, 1u);
  std::vector<std::uint64_t> sizes;
  EXPECT_TRUE(open_with(keys_of({3, 1}))->visit([&](const EntryInfo& entry) {
    sizes.push_back(entry.payload_bytes);
    return Visit::go_on;
  }));
  EXPECT_EQ(sizes, std::vector<std::uint64_t>{std::string("of key one").size()});
}

TEST_F(KeyedPack, AVisitTellsWhatALookUpFallsBackTo) {
  put_with(keys_of({1}), numbered(1), "of key one");
  put_with(keys_of({3}), numbered(1), big_);
  std::filesystem::remove_all(root() / "large");
  const auto store = open_with(keys_of({3, 1}));
  EXPECT_EQ(count_visited(*store, false), 1u);
  (void)store->get(numbered(1));  // finds that the newer one is lost
  EXPECT_EQ(content(store->get(numbered(1))), "of key one");
  EXPECT_EQ(count_visited(*store, false), 1u);
}

TEST_F(KeyedPack, ARemovalReachesOlderKeysToo) {
  put_with(keys_of({1}), numbered(1), "one");
  EXPECT_EQ(open_with(keys_of({3, 1}))->remove(numbered(1)), true);
  for (const bool is_lost : {false, true}) {
    if (is_lost) lose_the_index();
    EXPECT_EQ(get_with(keys_of({3, 1}), numbered(1)), "absent");
    EXPECT_EQ(get_with(keys_of({1}), numbered(1)), "absent");
  }
}

TEST_F(KeyedPack, ReadOnlyStoresNeedTheKeyToo) {
  put_with(ours_, numbered(1), "ours");
  options_.access = Access::read_only;
  EXPECT_EQ(get_with(ours_, numbered(1)), "ours");
  EXPECT_EQ(get_with(theirs_, numbered(1)), "absent");
  lose_the_index();
  EXPECT_EQ(get_with(ours_, numbered(1)), "ours");
  EXPECT_EQ(get_with(none_, numbered(1)), "absent");
}

// Each entry asks for those of newer keys, whose files are all missing.
TEST_F(KeyedPack, AVisitTakesOneLookForEachNewerKey) {
  options_.budget = {.max_bytes = 64 * mib};
  std::vector<Keys::Secret> secrets(12);
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    secrets[i].fill(static_cast<std::uint8_t>(i + 1));
    const auto store = open_with(Keys::from_secrets(std::span(secrets).subspan(i, 1)).value());
    ASSERT_EQ(put(*store, numbered(1), payload_of(300'000, static_cast<std::uint32_t>(i))), "ok");
    ASSERT_TRUE(store->flush());
  }
  ASSERT_EQ(count_large_files(), secrets.size());
  std::filesystem::remove_all(root() / "large");
  options_.file_system = &faults_;
  const auto store = open_with(Keys::from_secrets(secrets).value());
  std::size_t reads = 0;
  faults_.observe([&](const testing::Operation& operation) {
    reads += operation.op == testing::Op::read_at && operation.path.ends_with(".seg") ? 1 : 0;
  });
  EXPECT_EQ(count_visited(*store, false), 0u);
  faults_.observe({});
  EXPECT_GE(reads, secrets.size());
  EXPECT_LE(reads, 4 * secrets.size() * secrets.size());
}

}  // namespace
}  // namespace larder
