#include "damage.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace larder::bench {
namespace {

namespace fs = std::filesystem;

using Bytes = std::vector<char>;

Bytes read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// In place: a mapping or an open descriptor sees it.
void write_at(const fs::path& path, std::uint64_t offset, std::span<const char> bytes) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(offset));
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot damage " + path.string());
}

Bytes read_at(const fs::path& path, std::uint64_t offset, std::uint64_t size) {
  Bytes bytes(size);
  std::ifstream file(path, std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  return bytes;
}

void flip(const fs::path& path, std::uint64_t offset, unsigned bit) {
  Bytes byte = read_at(path, offset, 1);
  byte[0] = static_cast<char>(byte[0] ^ (1 << bit));
  write_at(path, offset, byte);
}

std::vector<fs::path> files_of(const fs::path& directory) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

struct Found {
  fs::path file;
  std::uint64_t offset;
};

std::vector<Found> find_all(const fs::path& directory, std::span<const std::byte> wanted) {
  std::vector<Found> found;
  const std::string_view text(reinterpret_cast<const char*>(wanted.data()), wanted.size());
  for (const fs::path& path : files_of(directory)) {
    const Bytes bytes = read_file(path);
    const std::string_view all(bytes.data(), bytes.size());
    for (std::size_t at = all.find(text); at != all.npos; at = all.find(text, at + 1)) {
      found.push_back({path, at});
    }
  }
  return found;
}

// Positions in [begin, end), all of them or `limit` spread evenly.
std::uint64_t spread(std::uint64_t begin, std::uint64_t end, std::size_t variant,
                     std::size_t limit) {
  const std::uint64_t count = std::min<std::uint64_t>(end - begin, limit);
  return begin + (end - begin - 1) * variant / std::max<std::uint64_t>(1, count - 1);
}

std::size_t at_most(std::uint64_t count, std::size_t limit) {
  return static_cast<std::size_t>(std::min<std::uint64_t>(count, limit));
}

// Payload.

std::size_t payload_variants(const Scene& scene, std::size_t limit) {
  return at_most(scene.first.payload_bytes, limit);
}

void flip_payload(const Scene& scene, std::size_t variant, std::size_t limit) {
  const EntryPlace& place = scene.first;
  const std::uint64_t end = place.payload_at + place.payload_bytes;
  flip(place.file, spread(place.payload_at, end, variant, limit), variant % 8);
}

// What stands around it: header, lengths, digest.

std::size_t around_variants(const Scene& scene, std::size_t limit) {
  return at_most(scene.first.before + scene.first.behind, limit);
}

void flip_around(const Scene& scene, std::size_t variant, std::size_t limit) {
  const EntryPlace& place = scene.first;
  std::uint64_t at = place.begin() + spread(0, place.before + place.behind, variant, limit);
  if (at >= place.payload_at) at += place.payload_bytes;
  flip(place.file, at, variant % 8);
}

// The key: where it stands in a file, or in a file's name.

std::size_t key_variants(const Scene& scene, std::size_t limit) {
  if (scene.is_file_per_entry) return 1;
  return at_most(find_all(scene.directory, std::as_bytes(std::span(scene.key.bytes))).size(),
                 limit);
}

void change_key(const Scene& scene, std::size_t variant, std::size_t) {
  if (!scene.is_file_per_entry) {
    const auto places = find_all(scene.directory, std::as_bytes(std::span(scene.key.bytes)));
    const Fingerprint neighbour = neighbour_of(scene.key);
    write_at(places[variant].file, places[variant].offset,
             {reinterpret_cast<const char*>(neighbour.bytes.data()), neighbour.bytes.size()});
    return;
  }
  const fs::path& from = scene.first.file;
  const std::string extension = from.extension().string();
  fs::rename(from, from.parent_path() / (neighbour_of(scene.key).hex() + extension));
}

// Everything else: indexes, page headers, logs, manifests.

std::vector<Found> places_elsewhere(const Scene& scene) {
  std::vector<Found> places;
  for (const fs::path& path : files_of(scene.directory)) {
    const Bytes bytes = read_file(path);
    for (std::uint64_t at = 0; at < bytes.size(); ++at) {
      const bool is_entry =
          path == scene.first.file && at >= scene.first.begin() && at < scene.first.end();
      if (bytes[at] != 0 && !is_entry) places.push_back({path, at});
    }
  }
  return places;
}

std::size_t elsewhere_variants(const Scene& scene, std::size_t limit) {
  return at_most(places_elsewhere(scene).size(), limit);
}

void flip_elsewhere(const Scene& scene, std::size_t variant, std::size_t limit) {
  const auto places = places_elsewhere(scene);
  if (places.empty()) return;
  const Found& place = places[spread(0, places.size(), variant, limit)];
  flip(place.file, place.offset, variant % 8);
}

// Lengths of files.

std::size_t length_variants(const Scene&, std::size_t) { return 5; }

void change_length(const Scene& scene, std::size_t variant, std::size_t) {
  const EntryPlace& place = scene.first;
  const std::array<std::uint64_t, 5> lengths = {0, place.begin() + 1,
                                                place.payload_at + place.payload_bytes / 2,
                                                place.end() - 1, fs::file_size(place.file) + 1};
  fs::resize_file(place.file, lengths[variant]);
}

// Two entries in each other's place.

std::size_t one_variant(const Scene&, std::size_t) { return 1; }

void swap_entries(const Scene& scene, std::size_t, std::size_t) {
  const EntryPlace& a = scene.first;
  const EntryPlace& b = scene.second;
  const Bytes of_a = read_at(a.file, a.begin(), a.end() - a.begin());
  const Bytes of_b = read_at(b.file, b.begin(), b.end() - b.begin());
  write_at(a.file, a.begin(), of_b);
  write_at(b.file, b.begin(), of_a);
}

// Something else under the file's name.

void put_link(const Scene& scene, std::size_t, std::size_t) {
  const fs::path target = scene.outside / scene.first.file.filename();
  fs::rename(scene.first.file, target);
  fs::create_symlink(fs::absolute(target), scene.first.file);
}

void put_fifo(const Scene& scene, std::size_t, std::size_t) {
  fs::remove(scene.first.file);
  if (::mkfifo(scene.first.file.c_str(), 0600) != 0) throw std::runtime_error("mkfifo failed");
}

struct Layout {
  std::string_view store;
  std::uint64_t before;
  std::uint64_t behind;
  bool is_file_per_entry;
};
// Of the others only a few bytes around the payload are taken for its header.
constexpr std::array layouts = {
    Layout{"baseline", 0, 32, true}, Layout{"pack", 192, 0, false}, Layout{"file", 128, 32, true},
    Layout{"lmdb", 0, 32, false},    Layout{"raw", 0, 0, true},
};
constexpr Layout other_layout = {"", 16, 8, false};

const Layout& layout_of(std::string_view store) {
  const auto known = std::ranges::find(layouts, store, &Layout::store);
  return known == layouts.end() ? other_layout : *known;
}

}  // namespace

Fingerprint neighbour_of(const Fingerprint& key) {
  Fingerprint neighbour = key;
  neighbour.bytes[20] ^= 1;
  return neighbour;
}

Scene find_entries(std::string_view store, const fs::path& directory, const Fingerprint& key,
                   std::span<const std::byte> first, std::span<const std::byte> second) {
  const Layout& layout = layout_of(store);
  const auto place_of = [&](std::span<const std::byte> payload) -> EntryPlace {
    const auto found = find_all(directory, payload);
    if (found.empty()) throw std::runtime_error(std::string(store) + ": no file has the payload");
    return {found.back().file, found.back().offset, payload.size(), layout.before, layout.behind};
  };
  return {.directory = directory,
          .outside = {},
          .key = key,
          .first = place_of(first),
          .second = place_of(second),
          .is_file_per_entry = layout.is_file_per_entry};
}

std::span<const Damage> damages() {
  static const std::array all = {
      Damage{"bit in payload", payload_variants, flip_payload},
      Damage{"bit around payload", around_variants, flip_around},
      Damage{"key", key_variants, change_key},
      Damage{"bit elsewhere", elsewhere_variants, flip_elsewhere},
      Damage{"file length", length_variants, change_length},
      Damage{"entries swapped", one_variant, swap_entries},
      Damage{"link in place", one_variant, put_link},
      Damage{"FIFO in place", one_variant, put_fifo},
  };
  return all;
}

}  // namespace larder::bench
