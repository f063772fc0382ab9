// What people read when something is the matter: the thing, what happened, what to do. One trouble
// has one text, wherever it is met.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <set>
#include <string>

#include "tests/unit/pack_store_fixture.h"

namespace larder {
namespace {

using testing::Fault;
using testing::Op;
using testing::Repeat;

class Messages : public PackStoreFixture {
 protected:
  Messages() { options_.file_system = &faults_; }

  Result<std::shared_ptr<Store>> open_kind(bool pack) const {
    if (pack) return open_pack_store(options_);
    return open_file_store({.directory = options_.directory, .file_system = options_.file_system});
  }

  void fill_the_disk(int os_error) {
    for (const Op op : {Op::make_directory, Op::reserve, Op::allocate, Op::write_at,
                        Op::create_file, Op::create_anonymous}) {
      faults_.inject({.only = op, .repeat = Repeat::for_ever, .os_error = os_error});
    }
  }

  std::string of_an_open(bool pack) const {
    const auto store = open_kind(pack);
    return store ? "ok" : store.error().message;
  }
};

TEST_F(Messages, AFullDiskHasOneText) {
  for (const bool pack : {false, true}) {
    std::set<std::string> said;
    fill_the_disk(ENOSPC);
    said.insert(of_an_open(pack));
    faults_.clear_faults();
    const auto store = open_kind(pack).value();
    fill_the_disk(ENOSPC);
    for (const std::size_t size : {100u, 10'000u, 6u << 20}) {
      said.insert(put(*store, numbered(1), payload_of(size, 1)));
    }
    faults_.clear_faults();
    for (const std::string& line : said) {
      EXPECT_TRUE(line.starts_with(options_.directory)) << line;
      EXPECT_TRUE(
          line.ends_with(": the disk is full; free some space, or name a store on another disk"))
          << line;
    }
    std::filesystem::remove_all(root());
  }
}

TEST_F(Messages, AUsedUpQuotaIsCalledSo) {
  fill_the_disk(EDQUOT);
  for (const bool pack : {false, true}) {
    EXPECT_EQ(of_an_open(pack), options_.directory +
                                    ": the disk quota is used up; free some space, or name a store "
                                    "on another disk");
  }
}

// A process that has used up its descriptors.
TEST_F(Messages, AReadThatFailsNamesTheStoreAndWhatToDo) {
  options_.file_system = nullptr;
  ASSERT_EQ(put(*open(), numbered(1), "artifact"), "ok");
  const auto store = open();
  rlimit limit;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  const rlimit none{.rlim_cur = 0, .rlim_max = limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const auto got = store->get(numbered(1));
  const auto inspected = store->inspect(numbered(1));
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_TRUE(!got && !inspected);
  for (const Error& error : {got.error(), inspected.error()}) {
    EXPECT_EQ(error.code, Errc::io_error);
    EXPECT_TRUE(error.message.starts_with(options_.directory + ": ")) << error.message;
    EXPECT_TRUE(
        error.message.ends_with("; look at the system's log, and at the limit of open "
                                "files"))
        << error.message;
  }
}

}  // namespace
}  // namespace larder
