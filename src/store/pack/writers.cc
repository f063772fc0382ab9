// Taking, sealing and handing on segments; sync.cc has their way to the disk.
#include "store/pack/writers.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/hex.h"
#include "base/try.h"

namespace larder::pack_store {
namespace {

using format::StateWord;

constexpr int attempts_to_create = 1000;  // each lost to a number that is taken

Result<std::array<std::byte, 16>> random_bytes(FileSystem& file_system) {
  LARDER_TRY(const std::string digits, file_system.random_name());
  std::array<std::byte, 16> bytes = {};
  for (std::size_t i = 0; i < bytes.size() && 2 * i + 1 < digits.size(); ++i) {
    bytes[i] = static_cast<std::byte>(hex_digit(digits[2 * i]) << 4 | hex_digit(digits[2 * i + 1]));
  }
  return bytes;
}

}  // namespace

// The first slot that is free: one thread alone always finds the same one.
Result<Writers::Claimed> Writers::claim(std::uint64_t record_bytes, std::uint64_t large_bytes) {
  for (Slot& slot : std::span(slots_).first(parts_.most.open)) {
    std::unique_lock held(slot.mutex, std::try_to_lock);
    if (held) return claim_in(slot, std::move(held), record_bytes, large_bytes);
  }
  return claim_in(slots_.front(), std::unique_lock(slots_.front().mutex), record_bytes,
                  large_bytes);
}

// An adopted segment may have too little room for this record, a new one has enough: what is there
// is not sealed for a record that fits nowhere.
Result<Writers::Claimed> Writers::claim_in(Slot& slot, std::unique_lock<std::mutex> held,
                                           std::uint64_t record_bytes, std::uint64_t large_bytes) {
  if (format::records_at + record_bytes > format::max_segment_bytes) {
    return std::unexpected(
        Error{.code = Errc::too_large, .message = "the record is larger than a segment"});
  }
  Adopt adopt = parts_.adopt;
  for (;;) {
    if (!slot.writer) {
      LARDER_TRY(slot.writer, open_segment(record_bytes, adopt));
    }
    std::unique_lock lock(slot.writer->mutex());
    if (slot.writer->fits(record_bytes, large_bytes)) {
      return Claimed{.slot = std::move(held), .writer = slot.writer, .lock = std::move(lock)};
    }
    const auto full = std::move(slot.writer);
    auto retired = retire_full(full);
    lock.unlock();
    LARDER_CHECK_OK(std::move(retired));
    adopt = Adopt::no;
  }
}

// Its records stay this process's to sync, whether the summary could be written or not.
Result<void> Writers::retire_full(const std::shared_ptr<SegmentWriter>& writer) {
  auto sealed = writer->seal();
  const std::lock_guard lock(sealed_mutex_);
  sealed_.push_back(writer);
  if (!sealed && sealed.error().code != Errc::no_space) return sealed;
  return {};
}

// A record may be longer than this process's segments: who has put it has no budget, or a larger
// one.
Result<std::shared_ptr<SegmentWriter>> Writers::open_segment(std::uint64_t record_bytes,
                                                             Adopt adopt) {
  const std::uint64_t needed = format::records_at + record_bytes;
  SegmentWriter::Options options = parts_.options;
  options.capacity_bytes = std::max(options.capacity_bytes, needed);
  std::shared_ptr<SegmentWriter> writer;
  if (adopt == Adopt::yes && options.capacity_bytes == parts_.options.capacity_bytes) {
    LARDER_TRY(writer, adopt_segment());
  }
  if (!writer) {
    LARDER_TRY(writer, create_segment(options));
  }
  parts_.table.add(writer->segment());
  return writer;
}

Result<std::shared_ptr<SegmentWriter>> Writers::adopt_segment() {
  for (std::size_t i = 0; i < format::state_hints; ++i) {
    std::uint64_t hint = parts_.state.hint(i).load();
    if (hint == 0 || hint > format::max_segment_number) continue;
    const auto number = static_cast<std::uint32_t>(hint - 1);
    auto tried = SegmentWriter::adopt(parts_.segments, parts_.origin, number, parts_.options);
    // One that cannot be read keeps no put from a new one.
    if (!tried && tried.error().os_error == EIO) continue;
    LARDER_TRY(auto adopted, std::move(tried));
    auto* const writer = std::get_if<std::unique_ptr<SegmentWriter>>(&adopted);
    // Looked at when the file is open: of what fails from now on, that is told too.
    if (writer != nullptr && !marks_.is_suspect(number)) {
      return std::shared_ptr<SegmentWriter>(std::move(*writer));
    }
    if (writer != nullptr ||
        std::get<SegmentWriter::Refusal>(adopted) == SegmentWriter::Refusal::useless) {
      parts_.state.hint(i).compare_exchange_strong(hint, 0);
    }
  }
  return nullptr;
}

// On a full disk, or without descriptors, each put would use up a number.
std::unexpected<Error> Writers::give_back(std::uint64_t number, Error error) {
  std::uint64_t next = number + 1;
  parts_.state.word(StateWord::next_segment).compare_exchange_strong(next, number);
  return std::unexpected(std::move(error));
}

Result<std::shared_ptr<SegmentWriter>> Writers::create_segment(
    const SegmentWriter::Options& options) {
  for (int attempt = 0; attempt < attempts_to_create; ++attempt) {
    format::SegmentHeader header;
    header.identity.store = parts_.origin.store;
    LARDER_TRY(header.identity.random, random_bytes(parts_.file_system));
    const std::uint64_t number = parts_.state.word(StateWord::next_segment).fetch_add(1);
    if (number > format::max_segment_number) break;
    header.identity.number = static_cast<std::uint32_t>(number);
    header.created_at_sequence = parts_.state.word(StateWord::sequence).load();
    // Who shares another `state` than the owner of that one (it was deleted) does not know that
    // the number was given.
    auto bad = find_bad_segment(parts_.segments, header.identity.number);
    if (!bad) return give_back(number, std::move(bad).error());
    if (*bad) continue;
    auto made = SegmentWriter::create(parts_.segments, header, options);
    if (made) {
      leave_hint(header.identity.number);
      return std::shared_ptr<SegmentWriter>(*std::move(made));
    }
    if (made.error().code != Errc::exists) return give_back(number, std::move(made).error());
  }
  return std::unexpected(
      Error{.code = Errc::no_space, .message = "no segment number is left; clear the store"});
}

// Over the hint of the oldest segment, which is the least likely to have room.
void Writers::leave_hint(std::uint32_t number) {
  std::size_t oldest = 0;
  for (std::size_t i = 1; i < format::state_hints; ++i) {
    if (parts_.state.hint(i).load() < parts_.state.hint(oldest).load()) oldest = i;
  }
  parts_.state.hint(oldest).store(std::uint64_t{number} + 1);
}

// Each once: one that was in its slot may be among the sealed by the time those are looked at.
std::vector<std::shared_ptr<SegmentWriter>> Writers::all() {
  std::vector<std::shared_ptr<SegmentWriter>> all;
  for (Slot& slot : slots_) {
    const std::lock_guard lock(slot.mutex);
    if (slot.writer) all.push_back(slot.writer);
  }
  const std::lock_guard lock(sealed_mutex_);
  for (const auto& writer : sealed_) {
    if (std::ranges::find(all, writer) == all.end()) all.push_back(writer);
  }
  return all;
}

bool Writers::rely_on(const format::Location& location, const Fingerprint& fingerprint) {
  for (const auto& writer : all()) {
    if (writer->number() != location.segment) continue;
    const std::lock_guard lock(writer->mutex());
    return writer->rely_on(location.place, fingerprint);
  }
  return false;
}

bool Writers::writes(std::uint32_t number) {
  return std::ranges::any_of(all(), [&](const auto& each) { return each->number() == number; });
}

bool Writers::has_synced(const format::Location& location) {
  for (const auto& writer : all()) {
    const std::lock_guard lock(writer->mutex());
    if (writer->number() != location.segment) continue;
    return !writer->has_failed() &&
           location.offset_bytes() + location.hit_bytes() <= writer->synced_until();
  }
  return false;
}

std::optional<std::vector<format::SummaryEntry>> Writers::entries_of(std::uint32_t number) {
  for (const auto& writer : all()) {
    const std::lock_guard lock(writer->mutex());
    const auto* const entries = writer->number() == number ? writer->all_entries() : nullptr;
    if (entries != nullptr) return *entries;
  }
  return std::nullopt;
}

Result<void> Writers::seal_all() {
  for (Slot& slot : slots_) {
    const std::lock_guard held(slot.mutex);
    const auto writer = std::move(slot.writer);
    if (!writer) continue;
    const std::lock_guard lock(writer->mutex());
    LARDER_CHECK_OK(retire_full(writer));
  }
  return {};
}

void Writers::trim_all() {
  for (const auto& writer : all()) {
    const std::lock_guard lock(writer->mutex());
    writer->trim();
  }
}

std::size_t Writers::pending(std::set<Fingerprint> others) {
  std::size_t pending = 0;
  for (const auto& writer : all()) {
    const std::lock_guard lock(writer->mutex());
    pending += writer->pending().size();
    for (const Fingerprint& fingerprint : writer->pending()) others.erase(fingerprint);
  }
  return pending + others.size();
}

bool Writers::has_unsynced(SegmentWriter& writer) {
  const std::lock_guard lock(writer.mutex());
  return writer.has_unsynced() || writer.has_failed();
}

bool Writers::is_settled() {
  const std::lock_guard no_sync(sync_mutex_);
  return !lost_.error &&
         std::ranges::none_of(all(), [](const auto& each) { return has_unsynced(*each); });
}

Writers::Behind Writers::behind() {
  const std::lock_guard lock(sealed_mutex_);
  if (sealed_.size() <= parts_.most.unsynced) return Behind::no;
  return sealed_.size() <= 2 * parts_.most.unsynced ? Behind::a_little : Behind::far;
}

bool Writers::has_sealed() {
  const std::lock_guard lock(sealed_mutex_);
  return !sealed_.empty();
}

Writers::Open Writers::open_bytes(const std::set<std::uint32_t>& others) {
  Open open;
  for (const auto& writer : all()) {
    const std::lock_guard lock(writer->mutex());
    if (writer->is_sealed() || others.contains(writer->number())) continue;
    open.record_bytes += writer->written_bytes();
    open.most_large_bytes += writer->most_large_bytes();
  }
  return open;
}

}  // namespace larder::pack_store
