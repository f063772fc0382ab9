// What programs see of the file system in memory; memory_crash_test.cc has what crashes leave.
#include "larder/testing/memory_file_system.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <random>
#include <set>

#include "larder/pack_store.h"
#include "larder/store.h"

namespace larder::testing {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Result<void> write(File& file, std::string_view text, std::uint64_t offset = 0) {
  const std::array pieces{bytes_of(text)};
  return file.write_at(pieces, offset);
}

std::string read(File& file) {
  std::string text(100000, '\0');
  const auto count = file.read_at(std::as_writable_bytes(std::span(text)), 0);
  if (!count) return "error";
  text.resize(*count);
  return text;
}

class MemoryFileSystemTest : public ::testing::Test {
 protected:
  MemoryFileSystem disk_;
  std::unique_ptr<Directory> root_ = disk_.open_directory("/").value();
};

TEST_F(MemoryFileSystemTest, PathsAreWalked) {
  ASSERT_TRUE(root_->make_directory("a"));
  const auto a = root_->open_directory("a").value();
  ASSERT_TRUE(a->make_directory("b"));
  ASSERT_TRUE(write(*a->create_file("settings").value(), "x = 1"));
  EXPECT_EQ(disk_.read_file("/a/settings", 100), "x = 1");
  EXPECT_EQ(disk_.read_file("a/b/../settings", 100), "x = 1");
  EXPECT_EQ(disk_.read_file("/a/settings", 4).error().code, Errc::too_large);
  EXPECT_EQ(disk_.resolve("/a//b/./.."), "/a");
  EXPECT_EQ(disk_.resolve("."), "/");
  EXPECT_EQ(disk_.resolve("/a/c").error().code, Errc::absent);
  EXPECT_EQ(disk_.open_directory("/a/settings").error().code, Errc::not_ours);
  const auto again = disk_.open_directory("/a/b/..").value();
  EXPECT_TRUE(again->info()->same_file(*a->info()));
  EXPECT_EQ(root_->info_at("a/settings")->size_bytes, 5u);
  EXPECT_EQ(root_->open_directory("..").error().code, Errc::not_ours);
}

TEST_F(MemoryFileSystemTest, WhatIsMadeIsPrivateAndTheRootIsNobodys) {
  ASSERT_TRUE(root_->make_directory("a"));
  const auto file = root_->create_file("f").value();
  EXPECT_EQ(file->info()->permissions, 0600u);
  EXPECT_EQ(root_->info_at("a")->permissions, 0700u);
  EXPECT_EQ(file->info()->owner, disk_.user().effective);
  EXPECT_EQ(root_->info()->owner, 0u);
  EXPECT_EQ(root_->info()->permissions, 0755u);
}

TEST_F(MemoryFileSystemTest, AFileOpenedForReadingIsNotChanged) {
  ASSERT_TRUE(root_->create_file("f"));
  const auto file = root_->open_file("f", OpenMode::read).value();
  EXPECT_FALSE(write(*file, "x"));
  EXPECT_FALSE(file->trim(0));
  EXPECT_FALSE(file->allocate(1));
  EXPECT_FALSE(file->reserve(1));
  EXPECT_FALSE(file->try_lock(LockMode::exclusive, 0, 1));
  EXPECT_EQ(file->try_lock(LockMode::shared, 0, 1), true);
  EXPECT_FALSE(file->map(OpenMode::read_write, 1));
  ASSERT_TRUE(file->close());
  EXPECT_FALSE(file->info());
  EXPECT_FALSE(file->close());
}

TEST_F(MemoryFileSystemTest, ADirectoryThatIsOpenedAsAFileCanOnlyBeLookedAt) {
  ASSERT_TRUE(root_->make_directory("a"));
  const auto file = root_->open_file("a", OpenMode::read).value();
  EXPECT_EQ(file->info()->kind, FileKind::directory);
  EXPECT_EQ(read(*file), "error");
  EXPECT_FALSE(file->map(OpenMode::read, 1));
}

TEST_F(MemoryFileSystemTest, LocksBelongToOpenFiles) {
  const auto one = root_->create_file("f").value();
  const auto two = root_->open_file("f", OpenMode::read_write).value();
  EXPECT_EQ(one->try_lock(LockMode::exclusive, 10, 10), true);
  EXPECT_EQ(two->try_lock(LockMode::shared, 19, 1), false);
  EXPECT_EQ(two->try_lock(LockMode::exclusive, 20, 1), true);
  EXPECT_EQ(one->try_lock(LockMode::shared, 0, 0), false);
  EXPECT_EQ(two->is_locked(0, 10), false);
  EXPECT_EQ(two->is_locked(0, 11), true);
  EXPECT_EQ(one->is_locked(10, 10), false) << "its own";

  ASSERT_TRUE(one->unlock(12, 2));
  EXPECT_EQ(two->is_locked(12, 2), false);
  EXPECT_EQ(two->is_locked(11, 1), true);
  EXPECT_EQ(two->is_locked(14, 1), true);

  EXPECT_EQ(one->try_lock(LockMode::shared, 10, 2), true) << "in place of the exclusive one";
  EXPECT_EQ(two->try_lock(LockMode::shared, 10, 2), true);
  EXPECT_EQ(two->try_lock(LockMode::exclusive, 10, 2), false);
  ASSERT_TRUE(one->close());
  EXPECT_EQ(two->try_lock(LockMode::exclusive, 0, 0), true);
}

TEST_F(MemoryFileSystemTest, AMappingKeepsTheLocksOfItsFile) {
  auto one = root_->create_file("f").value();
  const auto two = root_->open_file("f", OpenMode::read_write).value();
  ASSERT_TRUE(one->allocate(10));
  auto mapping = one->map(OpenMode::read, 10).value();
  EXPECT_EQ(one->try_lock(LockMode::exclusive, 0, 0), true);
  one.reset();
  EXPECT_EQ(two->is_locked(0, 0), true);
  mapping.reset();
  EXPECT_EQ(two->is_locked(0, 0), false);
}

TEST_F(MemoryFileSystemTest, MappingsAndFilesShareTheirBytes) {
  const auto file = root_->create_file("f").value();
  ASSERT_TRUE(write(*file, std::string(5000, 'a')));
  const auto one = file->map(OpenMode::read_write, 9000).value();
  auto two = root_->open_file("f", OpenMode::read).value()->map(OpenMode::read, 4096).value();
  EXPECT_EQ(one->bytes().size(), 9000u);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(one->bytes().data()) % 4096, 0u);
  one->bytes()[7] = std::byte{'b'};
  EXPECT_EQ(two->bytes()[7], std::byte{'b'});
  EXPECT_EQ(read(*file).substr(6, 3), "aba");
  ASSERT_TRUE(write(*file, "c", 8));
  EXPECT_EQ(one->bytes()[8], std::byte{'c'});

  EXPECT_TRUE(one->check(0, 8192));
  EXPECT_EQ(one->check(0, 8193).error().code, Errc::io_error) << "beyond the file's last page";
  EXPECT_FALSE(one->check(9000, 1));
  ASSERT_TRUE(write(*file, "d", 20000));
  EXPECT_TRUE(one->check(0, 9000));
  EXPECT_EQ(read(*file).size(), 20001u);
  EXPECT_EQ(read(*file).back(), 'd');
  ASSERT_TRUE(file->trim(3));
  EXPECT_EQ(one->bytes()[3], std::byte{0});
  ASSERT_TRUE(file->allocate(10));
  EXPECT_EQ(read(*file), std::string("aaa") + std::string(7, '\0'));
  two.reset();
  EXPECT_FALSE(file->map(OpenMode::read, 1 << 20)) << "longer than the one that lives";
}

TEST_F(MemoryFileSystemTest, NamesOfTheMachineAndTheClock) {
  EXPECT_EQ(root_->file_system_type(), "ext4");
  MemoryFileSystem other({.type = "nfs", .seed = 2, .now_s = 5, .free_bytes = 7, .total_bytes = 9});
  EXPECT_EQ(other.open_directory("/").value()->file_system_type(), "nfs");
  EXPECT_EQ(other.open_directory("/").value()->space()->free_bytes, 7u);
  EXPECT_EQ(other.open_directory("/").value()->space()->total_bytes, 9u);
  EXPECT_EQ(other.now_s(), 5);
  other.set_now_s(6);
  EXPECT_EQ(other.now_s(), 6);
  std::set<std::string> names;
  for (int i = 0; i < 10; ++i) {
    names.insert(disk_.random_name().value());
    names.insert(other.random_name().value());
  }
  EXPECT_EQ(names.size(), 20u);
  EXPECT_EQ(names.begin()->size(), 32u);
  EXPECT_EQ(MemoryFileSystem().random_name().value(), MemoryFileSystem().random_name().value());
}

TEST_F(MemoryFileSystemTest, HandlesOfAnotherFileSystemAreRefused) {
  MemoryFileSystem other;
  const auto elsewhere = other.open_directory("/").value();
  const auto file = elsewhere->create_anonymous().value();
  ASSERT_TRUE(root_->create_file("f"));
  EXPECT_EQ(root_->link(*file, "g").error().code, Errc::not_ours);
  EXPECT_EQ(root_->rename_over("f", *elsewhere, "f").error().code, Errc::not_ours);
}

TEST_F(MemoryFileSystemTest, WhatIsOpenOutlivesTheFileSystem) {
  auto disk = std::make_unique<MemoryFileSystem>();
  const auto root = disk->open_directory("/").value();
  const auto file = root->create_file("f").value();
  disk.reset();
  EXPECT_TRUE(write(*file, "x"));
  EXPECT_EQ(read(*root->open_file("f", OpenMode::read).value()), "x");
}

// Whatever is asked of both, the machine's own file system and the one in memory say the same.
class BothFileSystems {
 public:
  explicit BothFileSystems(std::uint64_t seed) : random_(seed) {
    const bool has_memory = std::filesystem::exists("/dev/shm");
    std::string pattern = (has_memory ? "/dev/shm/larder-" : "/tmp/larder-") + std::string(6, 'X');
    path_ = ::mkdtemp(pattern.data());
    directories_[0] = {posix_file_system().open_directory(path_.string()).value(),
                       memory_.open_directory("/").value()};
    expect("make", [](Side& at) { return code(at.directory().make_directory("inner")); });
    for (int i = 0; i < 2; ++i) {
      directories_[1][i] = directories_[0][i]->open_directory("inner").value();
    }
  }
  BothFileSystems(const BothFileSystems&) = delete;
  BothFileSystems& operator=(const BothFileSystems&) = delete;
  ~BothFileSystems() { std::filesystem::remove_all(path_); }

  void step() {
    in_ = pick(2);
    to_ = pick(2);
    name_ = std::string(1, static_cast<char>('a' + pick(4)));
    to_name_ = std::string(1, static_cast<char>('a' + pick(4)));
    slot_ = pick(3);
    at_ = random_() % 9000;
    length_ = random_() % 6000;
    switch (pick(14)) {
      case 0: return hold("create", [this](Side& at) { return at.directory().create_file(name_); });
      case 1:
        return hold("open or create",
                    [this](Side& at) { return at.directory().open_or_create_file(name_); });
      case 2: return hold("anonymous", [](Side& at) { return at.directory().create_anonymous(); });
      case 3:
        return hold("open", [this](Side& at) {
          return at.directory().open_file(in_ == 0 ? "inner/" + name_ : name_,
                                          OpenMode::read_write);
        });
      case 4:
        return expect("link", [this](Side& at) {
          return at.file() ? code(at.directory().link(*at.file(), name_)) : "";
        });
      case 5:
        return expect("rename over", [this](Side& at) {
          return code(at.directory().rename_over(name_, at.other(), to_name_));
        });
      case 6:
        return expect("rename", [this](Side& at) {
          return code(at.directory().rename_no_replace(name_, at.other(), to_name_));
        });
      case 7:
        return expect("remove",
                      [this](Side& at) { return code(at.directory().remove_file(name_)); });
      case 8:
        return expect("write", [this](Side& at) {
          return at.file() ? code(write(*at.file(), std::string(length_, name_[0]), at_)) : "";
        });
      case 9:
        return expect("trim",
                      [this](Side& at) { return at.file() ? code(at.file()->trim(at_)) : ""; });
      case 10:
        return expect("allocate", [this](Side& at) {
          const bool is_empty = at.file() && at.file()->info()->size_bytes == 0;
          return is_empty ? code(at.file()->allocate(length_ + 1)) : "";
        });
      case 11:
        return expect("make directory",
                      [this](Side& at) { return code(at.directory().make_directory(name_)); });
      case 12: return hold("close", [](Side&) -> Result<std::unique_ptr<File>> { return nullptr; });
      default: return expect("list", [](Side& at) { return list(at.directory()); });
    }
  }

  void expect_the_same_tree() {
    for (in_ = 0; in_ < 2; ++in_) {
      expect("tree", [](Side& at) { return list(at.directory()); });
    }
  }

 private:
  struct Side {
    BothFileSystems& both;
    int number;
    Directory& directory() { return *both.directories_[both.in_][number]; }
    Directory& other() { return *both.directories_[both.to_][number]; }
    std::unique_ptr<File>& file() { return both.files_[both.slot_][number]; }
  };

  int pick(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  template <class T>
  static std::string code(const Result<T>& result) {
    return result ? "ok" : std::string(errc_name(result.error().code));
  }

  static std::string list(Directory& directory) {
    std::set<std::string> lines;
    EXPECT_TRUE(directory.list([&](std::string_view name) {
      const auto info = directory.info_at(name).value();
      std::string line = std::string(name) + " ";
      if (info.kind == FileKind::directory) {
        line += "directory";
      } else {
        line += std::to_string(info.link_count) + " " + std::to_string(info.size_bytes) + " " +
                read(*directory.open_file(name, OpenMode::read).value());
      }
      lines.insert(line);
      return true;
    }));
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    return all;
  }

  template <class Act>
  void expect(const char* what, const Act& act) {
    Side real{*this, 0};
    Side memory{*this, 1};
    EXPECT_EQ(act(real), act(memory)) << what << " " << name_ << " " << to_name_;
  }

  template <class Open>
  void hold(const char* what, const Open& open) {
    expect(what, [&](Side& at) {
      auto opened = open(at);
      const std::string outcome = code(opened);
      if (opened) at.file() = *std::move(opened);
      return outcome;
    });
  }

  std::mt19937_64 random_;
  std::filesystem::path path_;
  MemoryFileSystem memory_;
  std::array<std::array<std::unique_ptr<Directory>, 2>, 2> directories_;
  std::array<std::array<std::unique_ptr<File>, 2>, 3> files_;
  int in_ = 0, to_ = 0, slot_ = 0;
  std::string name_, to_name_;
  std::uint64_t at_ = 0, length_ = 0;
};

TEST(MemoryFileSystem, SaysWhatTheMachinesOwnSays) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    BothFileSystems both(seed);
    for (int step = 0; step < 200; ++step) both.step();
    both.expect_the_same_tree();
    if (::testing::Test::HasFailure()) return;
  }
}

Fingerprint key(std::uint8_t number) {
  Fingerprint fingerprint;
  fingerprint.bytes.fill(number);
  return fingerprint;
}

std::string content(const Result<std::optional<Artifact>>& found) {
  if (!found) return found.error().message;
  return *found ? std::string((*found)->text()) : "absent";
}

// Two stores on one file system are two processes.
template <class Open>
void expect_stores_work(const Open& open) {
  MemoryFileSystem disk;
  auto one = open(disk);
  ASSERT_TRUE(one) << one.error().message;
  auto two = open(disk);
  ASSERT_TRUE(two) << two.error().message;
  ASSERT_TRUE((*one)->put(key(1), bytes_of("first")));
  ASSERT_TRUE((*two)->put(key(2), bytes_of("second")));
  EXPECT_EQ(content((*two)->get(key(1))), "first");
  EXPECT_EQ(content((*one)->get(key(2))), "second");
  const auto lease = (*one)->try_lease(key(3)).value();
  EXPECT_NE(lease, nullptr);
  EXPECT_EQ((*two)->try_lease(key(3)).value(), nullptr);
  EXPECT_EQ((*one)->remove(key(2)), true);
  EXPECT_EQ(content((*two)->get(key(2))), "absent");
  ASSERT_TRUE((*one)->flush());

  const auto after = disk.crash_clone(1, 0);
  const auto found = open(*after);
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(content((*found)->get(key(1))), "first");
  EXPECT_EQ(content((*found)->get(key(2))), "absent");
  (*one).reset();
  (*two).reset();
  EXPECT_EQ(content((*open(disk))->get(key(1))), "first");
}

TEST(MemoryFileSystem, TakesAFileStore) {
  expect_stores_work([](MemoryFileSystem& disk) {
    return open_file_store({.directory = "/deep/store", .file_system = &disk});
  });
}

TEST(MemoryFileSystem, TakesAPackStore) {
  expect_stores_work([](MemoryFileSystem& disk) {
    return open_pack_store({.directory = "/deep/store", .file_system = &disk});
  });
}

}  // namespace
}  // namespace larder::testing
