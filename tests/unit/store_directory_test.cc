// What a directory must be, or must become, to be a store of each kind.
#include "store/directory/store_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/hex.h"
#include "format/marker.h"
#include "store/file/file_store.h"
#include "tests/unit/file_store_fixture.h"

namespace larder {
namespace {

namespace fs = std::filesystem;
using store_directory::Kind;
using store_directory::StoreDirectory;
using testing::Op;
using testing::Operation;

std::string hex_of(const std::optional<format::StoreId>& id) {
  if (!id) return "none";
  std::array<std::uint8_t, 16> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>((*id)[i]);
  return to_hex(bytes);
}

class DirectoryTest : public ::testing::Test {
 protected:
  DirectoryTest() {
    std::string pattern = (fs::temp_directory_path() / "larder-").string() + std::string(6, 'X');
    directory_ = ::mkdtemp(pattern.data());
  }
  ~DirectoryTest() override { fs::remove_all(directory_); }

  fs::path root() const { return directory_ / "store"; }

  StoreDirectory as(Kind kind, FileSystem* file_system = nullptr,
                    Access access = Access::read_write) const {
    return StoreDirectory(
        {.directory = root().string(), .access = access, .file_system = file_system, .kind = kind});
  }

  void make_root() const {
    fs::create_directory(root());
    fs::permissions(root(), fs::perms::owner_all);
  }

  std::string id_on_disk() const {
    const auto marker = format::decode_marker(read_whole(root() / "LARDER"));
    return marker ? marker->id : marker.error().message;
  }

  // What opening says of a root that has nothing but these.
  std::string verdict(Kind kind) const {
    StoreDirectory directory = as(kind);
    return outcome(directory.open());
  }

  // In the middle of what goes through `faults_`. `made` must outlive that.
  void open_at_the_first(Op op, StoreDirectory& other, bool& made) {
    faults_.observe([op, &other, &made](const Operation& operation) {
      if (operation.op != op || made) return;
      made = true;
      ASSERT_TRUE(other.open());
    });
  }

  fs::path directory_;
  testing::FaultFileSystem faults_{posix_file_system()};
};

TEST_F(DirectoryTest, TheMarkerTellsKindAndId) {
  StoreDirectory made = as(Kind::pack);
  ASSERT_TRUE(made.open());
  const auto marker = format::decode_marker(read_whole(root() / "LARDER"));
  ASSERT_TRUE(marker);
  EXPECT_EQ(marker->kind, "pack");
  const auto writer = made.writer_root();
  ASSERT_TRUE(writer);
  EXPECT_EQ(hex_of(writer->id), marker->id);
  StoreDirectory reader = as(Kind::pack, nullptr, Access::read_only);
  const auto read = reader.reader_root();
  ASSERT_TRUE(read);
  EXPECT_EQ(hex_of(read->id), marker->id);
}

TEST_F(DirectoryTest, AnotherKindIsRefusedByTheNameOfItsScheme) {
  const auto message = [this](Kind kind) {
    StoreDirectory directory = as(kind);
    const auto opened = directory.open();
    return opened ? "ok" : std::string(errc_name(opened.error().code)) + opened.error().message;
  };
  const std::string where = root().string();
  ASSERT_EQ(message(Kind::pack), "ok");
  EXPECT_EQ(
      message(Kind::file),
      "wrong_kind" + where + ": a Larder store of kind pack, not file; name it pack:" + where);
  EXPECT_EQ(message(Kind::vyre),
            "wrong_kind" + where +
                ": a Larder store of kind pack, not a vyre directory; name it pack:" + where);
  fs::remove(root() / "LARDER");
  ASSERT_EQ(message(Kind::file), "ok");
  EXPECT_EQ(
      message(Kind::pack),
      "wrong_kind" + where + ": a Larder store of kind file, not pack; name it file:" + where);
  write_whole(root() / "LARDER",
              format::encode_marker({.kind = "tape", .id = std::string(32, '0')}));
  EXPECT_EQ(message(Kind::pack), "wrong_kind" + where +
                                     ": a Larder store of kind tape, not pack; name it by its own "
                                     "scheme, or name another directory");
}

TEST_F(DirectoryTest, APackThatWasNotFinishedIsMade) {
  make_root();
  write_whole(root() / "state", "LARDsta\n and more");
  write_whole(root() / "index.00000000000000af", "LARDidx\n and more");
  write_whole(root() / "index.00000000000000b0", "");
  fs::create_directory(root() / "segments");
  EXPECT_EQ(verdict(Kind::file), "not_a_store") << "a file store leaves no such names";
  EXPECT_EQ(verdict(Kind::pack), "ok");
}

struct Foreign {
  std::string name;
  void (*make)(const fs::path& root);
};

class ForeignNames : public DirectoryTest, public ::testing::WithParamInterface<Foreign> {};

TEST_P(ForeignNames, AreNotTakenForAPack) {
  make_root();
  GetParam().make(root());
  EXPECT_EQ(verdict(Kind::pack), "not_a_store");
  EXPECT_FALSE(fs::exists(fs::symlink_status(root() / "LARDER")));
}

INSTANTIATE_TEST_SUITE_P(
    Names, ForeignNames,
    ::testing::Values(
        Foreign{"StateOfSomebodyElse",
                [](const fs::path& root) { write_whole(root / "state", "Bavaria\n"); }},
        Foreign{"IndexOfSomebodyElse",
                [](const fs::path& root) {
                  write_whole(root / "index.00000000000000af", "LARDsta\n");
                }},
        Foreign{"NoIndexName", [](const fs::path& root) { write_whole(root / "index.html", ""); }},
        Foreign{"SegmentsWithEntries",
                [](const fs::path& root) {
                  fs::create_directory(root / "segments");
                  write_whole(root / "segments" / "00000001.seg", "LARDseg\n");
                }},
        Foreign{"SegmentsIsAFile",
                [](const fs::path& root) { write_whole(root / "segments", ""); }},
        Foreign{"SegmentsIsALink",
                [](const fs::path& root) {
                  fs::create_directory(root.parent_path() / "empty");
                  fs::create_symlink("../empty", root / "segments");
                }},
        Foreign{"StateIsALink",
                [](const fs::path& root) {
                  write_whole(root.parent_path() / "elsewhere", "LARDsta\n");
                  fs::create_symlink("../elsewhere", root / "state");
                }},
        Foreign{"StateIsADirectory",
                [](const fs::path& root) { fs::create_directory(root / "state"); }},
        Foreign{
            "StateIsAPipe",
            [](const fs::path& root) { ASSERT_EQ(::mkfifo((root / "state").c_str(), 0600), 0); }},
        Foreign{"LargeArtifacts",
                [](const fs::path& root) { fs::create_directory(root / "large"); }}),
    [](const auto& foreign) { return foreign.param.name; });

TEST_F(DirectoryTest, AReaderSeesNoStoreBeforeItsMarker) {
  make_root();
  StoreDirectory reader = as(Kind::pack, nullptr, Access::read_only);
  const auto before = reader.reader_root();
  ASSERT_TRUE(before);
  EXPECT_EQ(before->directory, nullptr);
  StoreDirectory writer = as(Kind::pack);
  ASSERT_TRUE(writer.open());
  const auto after = reader.reader_root();
  ASSERT_TRUE(after);
  EXPECT_EQ(hex_of(after->id), id_on_disk());
}

TEST_F(DirectoryTest, WhoeverIsSecondToMakeTheMarkerTakesTheFirstOne) {
  StoreDirectory other = as(Kind::pack);
  bool made = false;
  open_at_the_first(Op::link, other, made);
  StoreDirectory directory = as(Kind::pack, &faults_);
  ASSERT_TRUE(directory.open());
  ASSERT_TRUE(made);
  EXPECT_EQ(hex_of(directory.writer_root()->id), id_on_disk());
  EXPECT_EQ(hex_of(other.writer_root()->id), id_on_disk());
}

TEST_F(DirectoryTest, WhoeverIsSecondWithAnotherKindIsRefused) {
  StoreDirectory other = as(Kind::file);
  bool made = false;
  open_at_the_first(Op::link, other, made);
  StoreDirectory directory = as(Kind::pack, &faults_);
  EXPECT_EQ(outcome(directory.open()), "wrong_kind");
  ASSERT_TRUE(made);
}

// After our looks for a marker and for entries that prove one, before that for what is foreign.
TEST_F(DirectoryTest, AStoreThatIsMadeMeanwhileIsNotForeign) {
  make_root();
  file_store::FileStore other({.directory = root().string()});
  int lists = 0;
  faults_.observe([&](const Operation& operation) {
    if (operation.op != Op::list || ++lists != 2) return;
    ASSERT_TRUE(other.open());
    ASSERT_TRUE(other.put({}, bytes_of("payload"), {}));
  });
  StoreDirectory directory = as(Kind::file, &faults_);
  EXPECT_EQ(outcome(directory.open()), "ok");
  ASSERT_GE(lists, 2);
  EXPECT_EQ(hex_of(directory.writer_root()->id), id_on_disk());
}

TEST_F(DirectoryTest, OneOfTwoReplacesAnEmptyMarker) {
  make_root();
  write_whole(root() / "LARDER", "");
  StoreDirectory other = as(Kind::pack);
  bool made = false;
  open_at_the_first(Op::try_lock, other, made);
  StoreDirectory directory = as(Kind::pack, &faults_);
  ASSERT_TRUE(directory.open());
  ASSERT_TRUE(made);
  EXPECT_EQ(hex_of(directory.writer_root()->id), id_on_disk());
  EXPECT_EQ(hex_of(other.writer_root()->id), id_on_disk());
}

// A new directory may get the number of the one that was deleted before it.
TEST_F(DirectoryTest, AnotherMarkerIsAnotherGeneration) {
  StoreDirectory directory = as(Kind::pack);
  ASSERT_TRUE(directory.open());
  const std::uint64_t before = directory.generation();
  directory.forget();
  ASSERT_TRUE(directory.writer_root());
  EXPECT_EQ(directory.generation(), before);
  write_whole(root() / "LARDER",
              format::encode_marker({.kind = "pack", .id = std::string(32, 'a')}));
  directory.forget();
  ASSERT_TRUE(directory.writer_root());
  EXPECT_NE(directory.generation(), before);
}

TEST_F(DirectoryTest, AnInnerFileStoreKeepsItsShareOfDescriptors) {
  const auto syncs_of_puts = [this](std::optional<std::size_t> max_open_files) {
    std::optional<file_store::Within> within;
    if (max_open_files) {
      auto outer = faults_.open_directory(root().parent_path().string());
      within = {.root = *std::move(outer), .max_open_files = *max_open_files};
    }
    file_store::FileStore store({.directory = root().string(), .file_system = &faults_}, within);
    EXPECT_TRUE(store.open());
    std::size_t syncs = 0;
    faults_.observe([&](const Operation& operation) { syncs += operation.op == Op::sync_data; });
    for (std::uint8_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(store.put(key(i), bytes_of("x"), {}));
    }
    faults_.observe({});
    fs::remove_all(root());
    return syncs;
  };
  EXPECT_EQ(syncs_of_puts(std::nullopt), 0u);
  EXPECT_GT(syncs_of_puts(2), 0u) << "the third put settles what the first ones hold open";
}

}  // namespace
}  // namespace larder
