// get_many: looks all of them up, reads them in the order of their places, and hashes up to sixteen
// side by side, where one alone would leave most of the processor's vectors idle. Whatever is not a
// plain record that verifies, under the key that is written with, goes the way of get.
#include <algorithm>
#include <array>

#include "base/digest_many.h"
#include "base/guarded.h"
#include "base/try.h"
#include "store/pack/pack_store_impl.h"

namespace larder::pack_store {
namespace {

using format::record_header_bytes;

constexpr std::size_t batch_size = 16;

struct Asked {
  const Fingerprint* fingerprint = nullptr;
  Lookup* answer = nullptr;
  std::uint64_t tag = 0;
  Found found = {};
  format::SegmentKey key = {};
  ArtifactBuffer buffer = {};
  std::span<const std::byte> read = {};  // of the buffer

  std::span<std::byte> payload() noexcept {
    return buffer.bytes().subspan(record_header_bytes, found.record.stored_bytes);
  }
};

// The first place that the index names.
bool probe(Shelf& shelf, Asked& asked) {
  IndexTable* const table = shelf.index().table_at_hand();
  if (table == nullptr) return false;
  for (IndexTable::Cursor cursor(*table, asked.tag); cursor.next();) {
    if ((cursor.word() & format::place_mask) == 0) continue;
    asked.found = {.location = format::Location::of(cursor.word()),
                   .table = table,
                   .slot = cursor.slot(),
                   .word = cursor.word()};
    return true;
  }
  return false;
}

// Whether there are bytes to look at. `keep` is that of the one before: no batch has more than one
// segment open that the table had no room for.
bool read_one(Shelf& shelf, Asked& asked, std::shared_ptr<Segment>& keep) {
  const Found& found = asked.found;
  const auto segment = shelf.segments().find(found.location.segment, keep);
  if (!segment) return false;
  if (!(*segment)->covers(found.location.offset_bytes(), found.location.hit_bytes())) {
    return false;
  }
  asked.key = (*segment)->key();
  auto buffer = ArtifactBuffer::allocate(found.location.hit_bytes());
  if (!buffer) return false;
  asked.buffer = *std::move(buffer);
  const auto count =
      (*segment)->file()->read_at(asked.buffer.bytes(), found.location.offset_bytes());
  if (!count) return false;
  asked.read = asked.buffer.bytes().first(*count);
  return true;
}

bool is_plain(const Asked& asked, const DerivedKey& key, format::RecordVerdict verdict) {
  const format::Record& record = asked.found.record;
  return check_record(name_of(*asked.fingerprint, key), verdict, record) == Candidate::wanted &&
         record.kind == format::RecordKind::artifact && record.codec == format::Codec::none &&
         record.hit_bytes() <= asked.read.size();
}

// Decodes the headers; moves those whose payload can be verified to the front, and tells how many.
std::size_t decode_headers(std::span<Asked*> read, const DerivedKey& key) {
  std::array<format::HeaderToDecode, batch_size> headers;
  for (std::size_t i = 0; i < read.size(); ++i) {
    headers[i] = {.header = read[i]->read,
                  .key = &read[i]->key,
                  .authentic = key.id == 0 ? nullptr : &key,
                  .place = read[i]->found.location.place,
                  .record = &read[i]->found.record};
  }
  format::decode_records(std::span(headers).first(read.size()));
  std::size_t plain = 0;
  for (std::size_t i = 0; i < read.size(); ++i) {
    if (is_plain(*read[i], key, headers[i].verdict)) read[plain++] = read[i];
  }
  return plain;
}

}  // namespace

// Fills the answers of those that are good.
void PackStoreImpl::verify_batch(std::span<const std::span<const std::byte>> payloads,
                                 std::span<bool> is_good, std::span<const Digest> expected) {
  std::array<Digest, batch_size> digests;
  blake3_many(payloads, std::span(digests).first(payloads.size()));
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    is_good[i] = equal_constant_time(std::as_bytes(std::span(expected[i])), digests[i]);
  }
}

void PackStoreImpl::get_batch(Shelf& shelf, std::span<const Fingerprint> fingerprints,
                              std::span<Lookup> answers) {
  shelf.drop_gone_segments();
  const DerivedKey& key = shelf.keys().front();
  std::array<Asked, batch_size> all;
  const auto batch = std::span(all).first(fingerprints.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i].fingerprint = &fingerprints[i];
    batch[i].answer = &answers[i];
    batch[i].tag = shelf.tag_of(fingerprints[i], key.id);
  }
  if (const IndexTable* const table = shelf.index().table_at_hand()) {
    for (const Asked& asked : batch) table->prefetch(asked.tag);
  }
  std::array<Asked*, batch_size> order;
  std::size_t present = 0;
  for (Asked& asked : batch) {
    if (probe(shelf, asked)) order[present++] = &asked;
  }
  const auto found = std::span(order).first(present);
  std::ranges::sort(found, {}, [](const Asked* asked) {
    return std::pair(asked->found.location.segment, asked->found.location.place);
  });
  std::array<std::span<const std::byte>, batch_size> payloads;
  std::array<Digest, batch_size> expected;
  std::array<bool, batch_size> is_good = {};
  std::array<Asked*, batch_size> read;
  std::size_t count = 0;
  std::shared_ptr<Segment> keep;
  for (Asked* asked : found) {
    if (read_one(shelf, *asked, keep)) read[count++] = asked;
  }
  count = decode_headers(std::span(read).first(count), key);
  for (std::size_t i = 0; i < count; ++i) {
    payloads[i] = read[i]->payload();
    expected[i] = read[i]->found.record.payload_digest;
  }
  verify_batch(std::span(payloads).first(count), is_good, std::span(expected).first(count));
  for (std::size_t i = 0; i < count; ++i) {
    Asked& asked = *read[i];
    if (!is_good[i] || asked.found.record.raw_bytes > max_payload_bytes_) continue;
    const std::size_t length = asked.found.record.stored_bytes;
    *asked.answer = std::move(asked.buffer).share(record_header_bytes, length);
    mark_visited(asked.found);
    state().counters.count_lookup(&Metrics::hits);
    state().counters.add(&Metrics::hit_bytes, length);
  }
}

Result<std::vector<Lookup>> PackStoreImpl::get_many(std::span<const Fingerprint> fingerprints) {
  return guarded([&]() -> Result<std::vector<Lookup>> {
    std::vector<Lookup> answers(fingerprints.size(), Lookup(std::nullopt));
    for (std::size_t start = 0; start < fingerprints.size(); start += batch_size) {
      const std::size_t length = std::min(batch_size, fingerprints.size() - start);
      const auto asked = fingerprints.subspan(start, length);
      const auto answered = std::span(answers).subspan(start, length);
      best_effort([&] {
        const ReadEpochs::Collector collector(state().epochs);
        const auto guard = state().epochs.enter();
        const auto shelf = shelf_for_reading();
        if (shelf && *shelf != nullptr) get_batch(**shelf, asked, answered);
      });
      for (std::size_t i = 0; i < length; ++i) {
        if (answered[i] && !*answered[i]) answered[i] = get(asked[i]);
      }
    }
    return answers;
  });
}

}  // namespace larder::pack_store
