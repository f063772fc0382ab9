// Somebody who may write into a pack and knows everything but the secret.
#ifndef LARDER_TESTS_UNIT_KEYED_PACK_FORGER_H_
#define LARDER_TESTS_UNIT_KEYED_PACK_FORGER_H_

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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

// What a pack holds, by its records, and records made for it.
class PackForger : public ::testing::Test {
 protected:
  PackForger() {
    const std::filesystem::path memory = "/dev/shm";
    const bool is_there = ::access(memory.c_str(), W_OK) == 0;
    const auto parent = is_there ? memory : std::filesystem::temp_directory_path();
    std::string pattern = (parent / "larder-").string() + std::string(6, 'X');
    directory_ = ::mkdtemp(pattern.data());
    options_ = {.directory = (directory_ / "store").string(), .keys = ours_};
  }
  ~PackForger() override { std::filesystem::remove_all(directory_); }

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
  template <class Change>  // void(format::Record&, std::string& payload)
  void rewrite_records(const Change& change) const {
    for (const auto& path : segment_paths()) {
      std::string segment = read_whole(path);
      const auto segment_key = format::segment_key(header_of(segment).identity);
      const auto bytes = bytes_in(segment);
      for (std::size_t at = 128; at + format::record_header_bytes <= bytes.size(); at += 64) {
        format::Record record;
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
  void add_segment(std::uint32_t number,
                   const std::vector<std::pair<format::Record, std::string>>& records,
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

  format::Record artifact(std::string_view payload, std::uint64_t sequence) const {
    return {.key_id = ours_.ids().front(),
            .sequence = sequence,
            .raw_bytes = static_cast<std::uint32_t>(payload.size()),
            .stored_bytes = static_cast<std::uint32_t>(payload.size()),
            .fingerprint = key(1),
            .payload_digest = blake3(payload),
            .recipe_digest = format::recipe_digest("")};
  }

  format::Record removal(std::uint64_t sequence) const {
    return {.kind = format::RecordKind::removed,
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

}  // namespace larder

#endif  // LARDER_TESTS_UNIT_KEYED_PACK_FORGER_H_
