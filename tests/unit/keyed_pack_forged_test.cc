// By somebody who may write into a pack and knows everything but the secret: he causes misses, and
// never a hit on what he made.
#include <gtest/gtest.h>

#include <functional>

#include "tests/unit/keyed_pack_forger.h"

namespace larder {
namespace {

using format::Record;
using format::RecordKind;

using ForgedPack = PackForger;

TEST_F(ForgedPack, ARecordMadeWithAnotherSecretInItsPlaceIsAMiss) {
  for (const bool is_lost : {false, true}) {
    put_one("good");
    rewrite_records([&](Record& record, std::string& payload) {
      if (record.kind != RecordKind::artifact) return;
      payload = "evil";
      record.payload_digest = blake3(payload);
      authenticate(record, forged_);
    });
    if (is_lost) lose_the_index();
    const auto store = open();
    EXPECT_NE(content(store->get(key(1))), "evil");
    EXPECT_NE(content(store->get_many(std::vector{key(1)}).value()[0]), "evil");
    const auto view = store->view(key(1));
    EXPECT_FALSE(view && *view);
    std::array<std::byte, 8> into;
    const auto length = store->get_into(key(1), into);
    EXPECT_FALSE(length && *length);
    ASSERT_EQ(outcome(store->put(key(1), bytes_of("good"))), "ok");
    EXPECT_EQ(content(store->get(key(1))), "good");
  }
}

// Its authenticator says what the payload was, and that it was ours.
TEST_F(ForgedPack, NothingOfARecordCanBeChanged) {
  const std::uint64_t older_key = keys_of({2}).ids().front();
  options_.keys = keys_of({1, 2});
  using Change = std::function<void(Record&)>;
  const Change changes[] = {
      [](Record& record) { record.payload_digest = blake3("evil"); },
      [](Record& record) { record.fingerprint = key(2); },
      [](Record& record) { record.sequence += 100; },
      [](Record& record) { record.key_id = 0, record.authenticator = {}; },
      [older_key](Record& record) { record.key_id = older_key; },
      [](Record& record) { record.authenticator = {}; },
      [](Record& record) { record.authenticator[23] ^= 1; },
      [](Record& record) { record.recipe_digest[0] ^= 1; },
  };
  for (const Change& change : changes) {
    put_one("good");
    rewrite_records([&](Record& record, std::string& payload) {
      change(record);
      payload = "evil";
    });
    lose_the_index();
    const auto store = open();
    for (const Fingerprint& fingerprint : {key(1), key(2)}) {
      const auto found = store->get(fingerprint);
      EXPECT_FALSE(found && *found) << content(found);
    }
    std::filesystem::remove_all(root());
  }
}

TEST_F(ForgedPack, AForgedNewerRecordDoesNotHideWhatWasPut) {
  put_one("good");
  Record evil = artifact("evil", 1000);
  add_segment(1000, {{evil, "evil"}}, false);
  authenticate(evil, forged_);
  add_segment(1001, {{evil, "evil"}}, false);
  Record unkeyed = artifact("evil", 2000);
  unkeyed.key_id = 0;
  add_segment(1002, {{unkeyed, "evil"}}, true);
  lose_the_index();
  EXPECT_EQ(content(open()->get(key(1))), "good");
}

// A summary is a hint: what it lies about is a miss at worst.
TEST_F(ForgedPack, AForgedSummaryGivesNoHit) {
  put_one("good");
  add_segment(1000, {{artifact("evil", 1000), "evil"}}, true);
  lose_the_index();
  EXPECT_NE(content(open()->get(key(1))), "evil");
}

TEST_F(ForgedPack, AForgedRemovalTakesNothingAway) {
  put_one("good");
  add_segment(1000, {{removal(1000), ""}}, false);
  add_segment(1001, {{removal(1001), ""}, {removal(1001), ""}}, true);
  Record with_wrong_secret = removal(1002);
  authenticate(with_wrong_secret, forged_);
  add_segment(1002, {{with_wrong_secret, ""}}, true);
  lose_the_index();
  EXPECT_EQ(content(open()->get(key(1))), "good");
  ASSERT_EQ(open()->remove(key(1)), true);
  lose_the_index();
  EXPECT_EQ(content(open()->get(key(1))), "absent") << "what its owner removed stays removed";
}

TEST_F(ForgedPack, ARecordOfAnotherStoreIsNone) {
  put_one("theirs");
  Record copied;
  rewrite_records([&](const Record& record, const std::string&) { copied = record; });
  options_.directory = (directory_ / "another").string();
  put_into(options_, key(2), "ours");
  copied.sequence = 1000;
  for (const bool keeps_sequence : {false, true}) {
    if (keeps_sequence) copied.sequence = 1;
    add_segment(1000, {{copied, "theirs"}}, false);
    lose_the_index();
    EXPECT_EQ(content(open()->get(key(1))), "absent");
  }
  EXPECT_EQ(content(open()->get(key(2))), "ours");
}

TEST_F(ForgedPack, AFileThatALargeRecordLeadsToIsAuthenticToo) {
  const std::string big(5u << 20, 'g');
  const std::string evil(5u << 20, 'e');
  put_one(big);
  std::filesystem::path file;
  for (const auto& each : std::filesystem::recursive_directory_iterator(root() / "large")) {
    if (each.path().extension() == ".art") file = each.path();
  }
  ASSERT_FALSE(file.empty());
  const auto name = Fingerprint::from_hex(file.stem().string());
  ASSERT_TRUE(name);
  for (const DerivedKey& forged : {forged_, DerivedKey{}}) {
    const auto entry = format::encode_entry(FileLayout::larder, *name, bytes_of(evil), {}, forged);
    std::string content_of_file;
    for (const auto piece : entry.pieces()) {
      content_of_file.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    }
    write_whole(file, content_of_file);
    const auto found = open()->get(key(1));
    EXPECT_FALSE(found && *found);
    put_one(big);
    EXPECT_TRUE(content(open()->get(key(1))) == big);
  }
}

// Upkeep writes records anew: what it finds forged in the name of a key that it has must not become
// authentic in its hands.
TEST_F(ForgedPack, UpkeepMakesNothingAuthentic) {
  const auto forge = [&](std::uint32_t number) {
    Record evil = artifact("evil", 5);
    evil.supersedes = true;
    evil.written_s = 1'000;  // 1970: too old, but for being read
    add_segment(number, {{evil, "evil"}}, true);
    lose_the_index();
    PackStoreOptions unkeyed = options_;
    unkeyed.keys = {};
    ASSERT_TRUE(open_pack_store(unkeyed)) << "who lacks the key believes it";
  };
  put_into(options_, key(2), "two");
  forge(1000);
  mark_all_read();
  {
    const auto held = hold(1000);
    const auto store = open();
    ASSERT_TRUE(store->prune({.max_age_s = 100'000}));
    ASSERT_EQ(outcome(store->flush()), "ok");
    expect_no_hit(*store);
  }
  lose_the_index();
  expect_no_hit(*open());
  forge(1001);
  {
    const auto store = open();
    ASSERT_TRUE(store->maintain());
    ASSERT_TRUE(store->prune({.max_entries = 1}));
    expect_no_hit(*store);
  }
  lose_the_index();
  expect_no_hit(*open());
}

// A removal that its owner leaves when he evicts a forged record would hide what he put.
TEST_F(ForgedPack, EvictionOfAForgedRecordLeavesNoRemoval) {
  put_one("good");
  const auto held = hold(0);
  Record evil = artifact("evil", 1000);
  evil.supersedes = true;
  add_segment(1000, {{evil, "evil"}}, true);
  lose_the_index();
  PackStoreOptions unkeyed = options_;
  unkeyed.keys = {};
  ASSERT_TRUE(open_pack_store(unkeyed)) << "who lacks the key believes it";
  ASSERT_TRUE(open()->prune({.max_entries = 0}));
  ASSERT_FALSE(std::filesystem::exists(root() / "segments" / format::segment_name(1000)));
  lose_the_index();
  EXPECT_EQ(content(open()->get(key(1))), "good");
}

// Whatever the index says.
TEST_F(ForgedPack, AnIndexThatLeadsElsewhereGivesNoHit) {
  put_one("good");
  put_into(options_, key(2), "two");
  PackStoreOptions unkeyed = options_;
  unkeyed.keys = {};
  put_into(unkeyed, key(1), "evil");
  for (const auto& entry : std::filesystem::directory_iterator(root())) {
    if (!entry.path().filename().string().starts_with("index.")) continue;
    std::string index = read_whole(entry.path());
    std::vector<std::size_t> slots;
    for (std::size_t at = 4096; at + 16 <= index.size(); at += 16) {
      if (load_little<std::uint64_t>(bytes_in(index).data() + at + 8) != 0) slots.push_back(at);
    }
    ASSERT_EQ(slots.size(), 3u);
    const std::string first = index.substr(slots[0] + 8, 8);
    for (std::size_t i = 0; i < 3; ++i) {
      const std::string next = i == 2 ? first : index.substr(slots[i + 1] + 8, 8);
      index.replace(slots[i] + 8, 8, next);
    }
    write_whole(entry.path(), index);
  }
  const auto store = open();
  for (const Fingerprint& fingerprint : {key(1), key(2)}) {
    const auto found = store->get(fingerprint);
    EXPECT_FALSE(found && *found) << content(found);
  }
}

}  // namespace
}  // namespace larder
