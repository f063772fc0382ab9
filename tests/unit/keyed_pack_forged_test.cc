// By somebody who may write into a pack and knows everything but the secret: he causes misses, and
// never a hit on what he made.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/byte_order.h"
#include "format/entry.h"
#include "format/entry_name.h"
#include "format/pack_index.h"
#include "format/pack_segment.h"
#include "larder/file_system.h"
#include "larder/pack_store.h"
#include "store/pack/segment_writer.h"
#include "tests/unit/file_store_fixture.h"
#include "tests/unit/keyed_fixture.h"

namespace larder {
namespace {

using format::Record;
using format::RecordKind;

// What a pack holds, by its records, and records made for it.
class ForgedPack : public ::testing::Test {
 protected:
  ForgedPack() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "larder-").string() + std::string(6, 'X');
    directory_ = ::mkdtemp(pattern.data());
    options_ = {.directory = (directory_ / "store").string(), .keys = ours_};
  }
  ~ForgedPack() override { std::filesystem::remove_all(directory_); }

  std::shared_ptr<PackStore> open() const {
    auto store = open_pack_store(options_);
    EXPECT_TRUE(store) << (store ? "" : store.error().message);
    return store.value_or(nullptr);
  }

  // Flushed: the index is kept, and the next open believes it as far as any index is believed.
  static void put_into(const PackStoreOptions& options, const Fingerprint& fingerprint,
                       std::string_view payload) {
    const auto store = open_pack_store(options);
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_EQ(outcome((*store)->put(fingerprint, bytes_of(payload))), "ok");
    ASSERT_EQ(outcome((*store)->flush()), "ok");
  }

  void put_one(std::string_view payload) const { put_into(options_, key(1), payload); }

  std::filesystem::path root() const { return options_.directory; }

  void lose_the_index() const {
    for (const auto& entry : std::filesystem::directory_iterator(root())) {
      const std::string name = entry.path().filename().string();
      if (name == "state" || name.starts_with("index.")) std::filesystem::remove(entry.path());
    }
  }

  std::vector<std::filesystem::path> segment_paths() const {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(root() / "segments")) {
      paths.push_back(entry.path());
    }
    std::ranges::sort(paths);
    return paths;
  }

  static std::span<std::byte> bytes_in(std::string& text) {
    return std::as_writable_bytes(std::span(text.data(), text.size()));
  }

  static format::SegmentHeader header_of(std::string& segment) {
    return format::decode_segment_header(bytes_in(segment)).value();
  }

  // Calls `change` with each artifact in each segment, and writes what becomes of it, its payload
  // and the file: the tag and the check are right for whatever it says.
  template <class Change>  // void(Record&, std::string& payload)
  void rewrite_records(const Change& change) const {
    for (const auto& path : segment_paths()) {
      std::string segment = read_whole(path);
      const auto segment_key = format::segment_key(header_of(segment).identity);
      const auto bytes = bytes_in(segment);
      for (std::size_t at = 128; at + format::record_header_bytes <= bytes.size(); at += 64) {
        Record record;
        const auto place = static_cast<std::uint32_t>(at / 64);
        if (format::decode_record(bytes.subspan(at), segment_key, place, record) !=
            format::RecordVerdict::good) {
          continue;
        }
        std::string payload = segment.substr(at + 192, record.stored_bytes);
        change(record, payload);
        const auto header = format::encode_record(record, segment_key, place);
        std::memcpy(bytes.data() + at, header.data(), header.size());
        segment.replace(at + 192, payload.size(), payload);
      }
      write_whole(path, segment);
    }
  }

  // A segment of this store with these records, sealed and with all that proves it when
  // `is_sealed`.
  void add_segment(std::uint32_t number, const std::vector<std::pair<Record, std::string>>& records,
                   bool is_sealed) const {
    std::string first = read_whole(segment_paths().front());
    format::SegmentHeader header = header_of(first);
    header.identity.number = number;
    const auto segment_key = format::segment_key(header.identity);
    const format::SlotHash hash(header.identity.store);
    std::vector<std::byte> bytes;
    std::vector<format::SummaryEntry> entries;
    const auto append = [&bytes](std::span<const std::byte> more) {
      bytes.insert(bytes.end(), more.begin(), more.end());
      bytes.resize(format::round_to_unit(bytes.size()));
    };
    append(format::encode_segment_header(header));
    append(format::encode_segment_header(header));
    for (const auto& [record, payload] : records) {
      const auto place = static_cast<std::uint32_t>(bytes.size() / 64);
      const auto encoded = format::encode_record(record, segment_key, place);
      bytes.insert(bytes.end(), encoded.begin(), encoded.end());
      append(bytes_of(payload));
      const std::uint64_t tag = hash(record.fingerprint, record.key_id);
      entries.push_back(format::summary_entry(record, tag, place));
    }
    if (is_sealed) {
      append(format::encode_summary(entries, segment_key,
                                    static_cast<std::uint32_t>(bytes.size() / 64)));
      const auto place = static_cast<std::uint32_t>(bytes.size() / 64 - 1);
      const auto footer = format::decode_footer(std::span(bytes).last(64), place);
      append(format::encode_trailer(footer.value(), segment_key, place));
    }
    write_whole(root() / "segments" / format::segment_name(number),
                {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  // As the process that writes a segment holds it, until the file is closed.
  std::unique_ptr<File> hold(std::uint32_t number) const {
    auto directory = posix_file_system().open_directory((root() / "segments").string());
    EXPECT_TRUE(directory);
    auto file = (*directory)->open_file(format::segment_name(number), OpenMode::read_write);
    EXPECT_TRUE(file);
    EXPECT_EQ((*file)->try_lock(LockMode::exclusive, pack_store::owner_lock_at, 1), true);
    return *std::move(file);
  }

  // Every slot of the index, as a read leaves it.
  void mark_all_read() const {
    for (const auto& entry : std::filesystem::directory_iterator(root())) {
      if (!entry.path().filename().string().starts_with("index.")) continue;
      std::string index = read_whole(entry.path());
      for (std::size_t at = 4096; at + 16 <= index.size(); at += 16) {
        std::byte* const word = bytes_in(index).data() + at + 8;
        const auto location = load_little<std::uint64_t>(word);
        if (location != 0) store_little(word, location | format::visited_bit);
      }
      write_whole(entry.path(), index);
    }
  }

  static void expect_no_hit(PackStore& store) {
    const auto found = store.get(key(1));
    EXPECT_FALSE(found && *found) << content(found);
  }

  Record artifact(std::string_view payload, std::uint64_t sequence) const {
    return {.key_id = ours_.ids().front(),
            .sequence = sequence,
            .raw_bytes = static_cast<std::uint32_t>(payload.size()),
            .stored_bytes = static_cast<std::uint32_t>(payload.size()),
            .fingerprint = key(1),
            .payload_digest = blake3(payload),
            .recipe_digest = format::recipe_digest("")};
  }

  Record removal(std::uint64_t sequence) const {
    return {.kind = RecordKind::removed,
            .supersedes = true,
            .key_id = ours_.ids().front(),
            .sequence = sequence,
            .fingerprint = key(1)};
  }

  const Keys ours_ = keys_of({1});
  const DerivedKey forged_ = forged_key_of(ours_);
  std::filesystem::path directory_;
  PackStoreOptions options_;
};

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
  using Change = std::function<void(Record&)>;
  const Change changes[] = {
      [](Record& record) { record.payload_digest = blake3("evil"); },
      [](Record& record) { record.fingerprint = key(2); },
      [](Record& record) { record.sequence += 100; },
      [](Record& record) { record.key_id = 0, record.authenticator = {}; },
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
  ASSERT_TRUE(open()->clear());
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
