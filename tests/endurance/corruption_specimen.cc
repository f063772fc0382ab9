#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "larder/file_system.h"
#include "store/pack/segment_writer.h"
#include "tests/endurance/corruption.h"
#include "tests/endurance/pack_directory.h"

namespace larder::corruption {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t first_sealed = 11;
std::string value_of(Kind kind, std::uint32_t flavour, std::uint32_t number, std::size_t size) {
  const std::string bytes = payload_of(size, flavour * 1000 + number);
  if (kind != Kind::zstd_pack || size < 16) return bytes;
  // Compressible, and no block like another.
  std::string text;
  for (std::uint32_t i = 0; text.size() < size; ++i) {
    text += bytes.substr(0, 16) + "compressible text of line " + std::to_string(i) + "\n";
  }
  return text.substr(0, size);
}

std::string read_descriptor(int descriptor) {
  struct stat status = {};
  EXPECT_EQ(::fstat(descriptor, &status), 0);
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  EXPECT_EQ(::pread(descriptor, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}

}  // namespace

Specimen::Specimen(Kind kind, std::uint32_t flavour) : kind_(kind) {
  const fs::path memory = "/dev/shm";
  const bool is_there = ::access(memory.c_str(), W_OK) == 0;
  std::string pattern =
      ((is_there ? memory : fs::temp_directory_path()) / "larder-").string() + std::string(6, 'X');
  parent_ = ::mkdtemp(pattern.data());
  root_ = parent_ / "store";
  fill(flavour);
  remember_files();
  remember_places();
}

Specimen::~Specimen() {
  close_files();
  std::error_code ignored;
  fs::remove_all(parent_, ignored);
}

Result<std::shared_ptr<Store>> Specimen::open(Access access) const {
  if (is_pack(kind_)) {
    const bool is_zstd = kind_ == Kind::zstd_pack;
    return open_pack_store({.directory = root_.string(),
                            .access = access,
                            .budget = {.max_bytes = 64ull << 20},
                            .compression = is_zstd ? Compression::zstd : Compression::none});
  }
  const bool is_vyre = kind_ == Kind::vyre;
  return open_file_store({.directory = root_.string(),
                          .layout = is_vyre ? FileLayout::vyre : FileLayout::larder,
                          .access = access});
}

void Specimen::put(Store& store, const Entry& entry) {
  const auto stored =
      store.put(numbered(entry.number), bytes_of(entry.value), {.recipe = entry.recipe});
  ASSERT_TRUE(stored) << stored.error().message;
}

void Specimen::fill(std::uint32_t flavour) {
  const auto value = [&](std::uint32_t number, std::size_t size) {
    return value_of(kind_, flavour, number, size);
  };
  const bool keeps_recipes = kind_ != Kind::vyre;
  const auto recipe = [&](std::uint32_t number) {
    return keeps_recipes ? "recipe " + std::to_string(number) + std::string(60, 'r') : "";
  };
  for (const auto& [number, size] : {std::pair(1u, 0), {2u, 100}, {3u, 5000}, {4u, 700}}) {
    entries_.push_back({.number = number, .value = value(number, size), .recipe = recipe(number)});
  }
  entries_.push_back({.number = 5, .value = value(5, 120), .older = value(105, 100)});
  entries_.push_back({.number = 6, .older = value(6, 90), .is_removed = true});
  entries_.push_back({.number = 7, .value = value(7, 300'000)});
  const auto store = open(Access::read_write).value();
  put(*store, {.number = 5, .value = entries_[4].older});
  put(*store, {.number = 6, .value = entries_[5].older});
  for (const Entry& entry : entries_) {
    if (!entry.is_removed) put(*store, entry);
  }
  ASSERT_TRUE(store->remove(numbered(6)).value());
  ASSERT_TRUE(store->flush());
  if (is_pack(kind_)) add_sealed_segment(flavour);
}

// Too small for a store to seal it, and made by what seals them.
void Specimen::add_sealed_segment(std::uint32_t flavour) {
  for (const auto& [number, size] :
       {std::pair(first_sealed, 0), {first_sealed + 1, 100}, {first_sealed + 2, 5000}}) {
    entries_.push_back({.number = number,
                        .value = value_of(Kind::pack, flavour, number, size),
                        .recipe = "sealed " + std::to_string(number)});
  }
  const std::string first = read_bytes(root_ / "segments" / format::segment_name(0));
  const auto header = format::decode_segment_header(bytes_of(first));
  ASSERT_TRUE(header);
  const format::SlotHash hash(header->identity.store);
  format::SegmentHeader next = *header;
  next.identity.number = 1;
  next.identity.random[0] ^= std::byte{1};
  const auto directory = posix_file_system().open_directory((root_ / "segments").string()).value();
  const auto writer = pack_store::SegmentWriter::create(*directory, next, {.hash = hash}).value();
  for (const Entry& entry : entries_) {
    if (entry.number < first_sealed) continue;
    const format::Record record{.sequence = 1000 + entry.number,
                                .raw_bytes = static_cast<std::uint32_t>(entry.value.size()),
                                .stored_bytes = static_cast<std::uint32_t>(entry.value.size()),
                                .recipe_bytes = static_cast<std::uint32_t>(entry.recipe.size()),
                                .fingerprint = numbered(entry.number),
                                .payload_digest = blake3(bytes_of(entry.value)),
                                .recipe_digest = format::recipe_digest(entry.recipe)};
    ASSERT_TRUE(writer->append(record, bytes_of(entry.value), entry.recipe));
  }
  ASSERT_TRUE(writer->seal());
  ASSERT_TRUE(writer->segment()->file()->sync_data());
  ASSERT_TRUE(writer->prove_durable());
  fs::remove(root_ / "state");
  for (const auto& file : fs::directory_iterator(root_)) {
    if (format::parse_index_name(file.path().filename().string())) fs::remove(file.path());
  }
  const auto store = open(Access::read_write).value();
  for (const Entry& entry : entries_) {
    ASSERT_EQ(ask(*store, entry), entry.is_removed ? Answer::missing : Answer::right)
        << entry.number;
  }
  ASSERT_TRUE(store->flush());
}

void Specimen::close_files() {
  for (const auto& [name, file] : files_) ::close(file.descriptor);
  files_.clear();
}

void Specimen::remember_files() {
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    if (!entry.is_regular_file()) continue;
    SoundFile file{.path = entry.path()};
    file.descriptor = ::open(file.path.c_str(), O_RDWR | O_CLOEXEC);
    file.bytes = read_descriptor(file.descriptor);
    files_.emplace(fs::relative(entry.path(), root_).string(), std::move(file));
  }
}

void Specimen::remember_places() {
  for (const Entry& entry : entries_) places_[entry.number];
  for (const auto& [name, file] : files_) {
    if (name.ends_with(".seg")) add_records(name);
    if (name.starts_with("large/") && name.ends_with(".art")) {
      places_[7].push_back({.file = name, .until = file.bytes.size()});
    }
    if (is_pack(kind_) || file.path.filename().string().size() < 64) continue;
    for (const Entry& entry : entries_) {
      if (file.path.filename().string().starts_with(numbered(entry.number).hex())) {
        places_[entry.number].push_back({.file = name, .until = file.bytes.size()});
      }
    }
  }
}

void Specimen::add_records(const std::string& file) {
  for (const PlacedRecord& placed : records_of(files_.at(file).path)) {
    for (const Entry& entry : entries_) {
      if (numbered(entry.number) != placed.record.fingerprint) continue;
      for (Place& older : places_[entry.number]) {
        if (older.file.ends_with(".seg")) older.is_newest = false;
      }
      places_[entry.number].push_back({.file = file, .from = placed.offset, .until = placed.end()});
    }
  }
}

std::vector<std::string> Specimen::data_files() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) {
    if (name.ends_with(".seg") || name.ends_with(".art") || name.ends_with(".bin")) {
      names.push_back(name);
    }
  }
  return names;
}

std::string Specimen::index_file() const {
  for (const auto& [name, file] : files_) {
    if (format::parse_index_name(name)) return name;
  }
  return {};
}

std::uint64_t Specimen::disk_bytes() const {
  std::uint64_t sum = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    struct stat status = {};
    if (::lstat(entry.path().c_str(), &status) == 0) {
      sum += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
  }
  return sum;
}

void Specimen::restore() {
  std::vector<fs::path> extra;
  for (const auto& entry : fs::recursive_directory_iterator(root_)) {
    const std::string name = fs::relative(entry.path(), root_).string();
    if (entry.is_regular_file() && !files_.contains(name)) extra.push_back(entry.path());
  }
  for (const fs::path& path : extra) fs::remove(path);
  for (auto& [name, file] : files_) {
    struct stat named = {};
    struct stat held = {};
    const bool is_there = ::lstat(file.path.c_str(), &named) == 0 &&
                          ::fstat(file.descriptor, &held) == 0 && named.st_ino == held.st_ino;
    if (is_there && read_descriptor(file.descriptor) == file.bytes) continue;
    if (!is_there) {
      ::close(file.descriptor);
      fs::remove(file.path);
      file.descriptor = ::open(file.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    }
    write_descriptor(file.descriptor, file.bytes, 0);
    ASSERT_EQ(::ftruncate(file.descriptor, static_cast<off_t>(file.bytes.size())), 0);
  }
}

}  // namespace larder::corruption
