#include "format/entry_name.h"

#include <algorithm>

#include "base/hex.h"

namespace larder::format {
namespace {

constexpr std::size_t hex_digits = 2 * Fingerprint::size_bytes;
constexpr std::string_view temporary_prefix = ".larder-";
constexpr std::string_view temporary_suffix = ".tmp";
constexpr std::size_t random_digits = 32;

constexpr std::string_view suffix_of(FileLayout layout) noexcept {
  return layout == FileLayout::larder ? ".art" : ".bin";
}

bool all_hex(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return hex_digit(c) >= 0; });
}

}  // namespace

std::string shard_name(FileLayout layout, const Fingerprint& fingerprint) {
  if (layout == FileLayout::vyre) return {};
  return to_hex(std::span(fingerprint.bytes).first(1));
}

std::string file_name(FileLayout layout, const Fingerprint& fingerprint) {
  std::string name = fingerprint.hex();
  name += suffix_of(layout);
  return name;
}

std::string entry_path(FileLayout layout, const Fingerprint& fingerprint) {
  std::string path = shard_name(layout, fingerprint);
  if (!path.empty()) path += '/';
  path += file_name(layout, fingerprint);
  return path;
}

bool is_shard_name(FileLayout layout, std::string_view name) noexcept {
  return layout == FileLayout::larder && name.size() == 2 && all_hex(name);
}

std::optional<Fingerprint> parse_file_name(FileLayout layout, std::string_view shard,
                                           std::string_view name) noexcept {
  const std::string_view suffix = suffix_of(layout);
  if (name.size() != hex_digits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  if (!name.starts_with(shard)) return std::nullopt;
  return Fingerprint::from_hex(name.substr(0, hex_digits));
}

std::string temporary_name(std::string_view random_hex) {
  std::string name(temporary_prefix);
  name += random_hex;
  name += temporary_suffix;
  return name;
}

bool is_temporary_name(std::string_view name) noexcept {
  return name.size() == temporary_prefix.size() + random_digits + temporary_suffix.size() &&
         name.starts_with(temporary_prefix) && name.ends_with(temporary_suffix) &&
         all_hex(name.substr(temporary_prefix.size(), random_digits));
}

}  // namespace larder::format
