// Which files a program depends on: any change that a compiler could see changes the scan.
#include "adapters/opencl/headers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>

#include "temporary_directory.h"

namespace larder::opencl {
namespace {

using Texts = std::vector<std::string>;

class OpenclHeaders : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    const auto path = root_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  // With -I a -I b, below the test's directory.
  Headers scan(const std::string& source) {
    const std::string options =
        "-I \"" + (root_ / "a").string() + "\" -I" + (root_ / "b").string() + " -DX=1";
    return scan_headers(posix_file_system(), Texts{source}, options);
  }

  TemporaryDirectory root_;
};

TEST_F(OpenclHeaders, ReachesHeadersOfHeaders) {
  write("a/one.h", "#include \"deep/two.h\"\n");
  write("a/deep/two.h", "#include \"three.h\"\n#include <four.h>\n");
  write("a/deep/three.h", "int three;\n");
  write("b/four.h", "int four;\n");
  const Headers found = scan("#include \"one.h\"\n");
  EXPECT_TRUE(found.complete);
  EXPECT_EQ(found.contents,
            (Texts{"#include \"deep/two.h\"\n", "#include \"three.h\"\n#include <four.h>\n",
                   "int three;\n", "int four;\n"}));
}

TEST_F(OpenclHeaders, AChangedNewOrRemovedHeaderIsAnotherScan) {
  const std::string source = "#include <one.h>\n";
  const Headers nothing = scan(source);
  write("b/one.h", "int one;");
  const Headers in_b = scan(source);
  write("b/one.h", "int two;");
  const Headers changed = scan(source);
  write("a/one.h", "int two;");
  const Headers hidden = scan(source);
  std::filesystem::remove(root_ / "b/one.h");
  const Headers in_a = scan(source);
  const std::array all = {nothing, in_b, changed, hidden, in_a};
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(all[i].complete) << i;
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(all[i], all[j]) << i << " and " << j;
  }
  EXPECT_EQ(in_a, scan(source));
}

TEST_F(OpenclHeaders, CirclesEnd) {
  write("a/one.h", "#include \"../b/two.h\"\n");
  write("b/two.h", "#include \"../a/one.h\"\n");
  const Headers found = scan("#include \"one.h\"\n");
  EXPECT_TRUE(found.complete);
  EXPECT_EQ(found.contents.size(), 2U);
}

TEST_F(OpenclHeaders, DoubtIsAdmitted) {
  EXPECT_FALSE(scan("#include WHAT\n").complete);
  write("a/doubt.h", "#include WHAT\n");
  EXPECT_FALSE(scan("#include <doubt.h>\n").complete);
  write("a/big.h", std::string((16U << 20) + 1, 'x'));
  EXPECT_FALSE(scan("#include <big.h>\n").complete);
  std::filesystem::create_directories(root_ / "a/directory.h");
  EXPECT_FALSE(scan("#include <directory.h>\n").complete);
}

TEST(OpenclIncludeOptions, DirectoriesInTheirOrder) {
  const IncludeOptions found =
      parse_include_options("-Ione  -I two -isystem three -cl-fast-relaxed-math");
  EXPECT_EQ(found.directories, (Texts{"one", "two", "three"}));
  EXPECT_TRUE(found.certain);
}

TEST(OpenclIncludeOptions, QuotesInBothReadings) {
  for (const char* text : {"-I\"a b\"", "-I'a b'", "-Ia\\ b", "-I \"a b\"", "\"-Ia b\""}) {
    EXPECT_TRUE(std::ranges::count(parse_include_options(text).directories, "a b") == 1) << text;
  }
  EXPECT_EQ(parse_include_options("-Ia\\b").directories, (Texts{"a\\b", "ab"}));
}

TEST(OpenclIncludeOptions, OptionsThatReadFilesAreDoubt) {
  EXPECT_FALSE(parse_include_options("-include x.h").certain);
  EXPECT_FALSE(parse_include_options("-O2 -imacros x.h").certain);
  EXPECT_FALSE(parse_include_options("@options.txt").certain);
}

}  // namespace
}  // namespace larder::opencl
