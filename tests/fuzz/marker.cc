// The marker of a store, and the block of counters in its lock file.
//
//   byte: bit 0 = counters, bit 1 = magic and number of counters are made right, bit 2 = the digest
//   is made anew
#include "format/marker.h"

#include "base/digest.h"
#include "format/statistics.h"
#include "tests/fuzz/fuzz.h"

namespace larder::fuzz {
namespace {

// docs/FORMAT.md once more, in numbers of its own.
constexpr std::size_t fixed_bytes = 40;

void look_at_marker(std::string_view text) {
  const auto marker = format::decode_marker(text);
  if (!marker) {
    const Errc code = marker.error().code;
    require(code == Errc::not_a_store || code == Errc::unsupported_version);
    return;
  }
  require(marker->version == 1 && marker->id.size() == 32 && !marker->kind.empty());
  require(format::encode_marker(*marker) == text);
}

void look_at_counters(std::span<const std::byte> bytes) {
  const auto statistics = format::decode_statistics(bytes);
  if (!statistics) return;
  const auto block = format::encode_statistics(*statistics);
  const auto again = format::decode_statistics(block);
  require(again && again->usage.has_value() == statistics->usage.has_value());
  if (again->usage) {
    require(again->usage->bytes == statistics->usage->bytes &&
            again->usage->entries == statistics->usage->entries);
  }
  for (const MetricField& field : metric_fields()) {
    require(again->counters.*field.member == statistics->counters.*field.member);
    if (field.gauge) require(statistics->counters.*field.member == 0);
  }
}

void make_digest(std::span<std::byte> bytes) {
  if (bytes.size() < fixed_bytes + 32) return;
  const auto counters = load_little<std::uint64_t>(bytes.data() + 8);
  if (counters > (bytes.size() - fixed_bytes - 32) / 8) return;
  const std::size_t covered = fixed_bytes + 8 * counters;
  const Digest digest = blake3(bytes.first(covered));
  overlay(bytes, covered, std::as_bytes(std::span(digest)));
}

void test_counters(std::uint8_t how, Bytes bytes) {
  look_at_counters(bytes);
  if ((how & 2) != 0 && bytes.size() >= fixed_bytes + 32) {
    overlay(bytes, 0, bytes_of("RLcoun01"));
    store_little(bytes.data() + 8, (bytes.size() - fixed_bytes - 32) / 8);
  }
  if ((how & 4) != 0) make_digest(bytes);
  look_at_counters(bytes);
}

}  // namespace

void test_one(std::span<const std::byte> bytes) {
  Input input(bytes);
  const std::uint8_t how = input.byte();
  if ((how & 1) != 0) return test_counters(how, copy_of(input.rest()));
  const std::string text = text_of(input.rest());
  look_at_marker(text);
  look_at_marker("larder store\nkind pack\nversion 1" + text);
  look_at_marker("larder store\nkind pack\nversion " + text +
                 "\nid 00112233445566778899aabbccddeeff\n");
}

}  // namespace larder::fuzz
