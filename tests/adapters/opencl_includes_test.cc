// What counts as an `#include`. Missing one would serve a stale program, so doubt must be admitted.
#include "adapters/opencl/includes.h"

#include <gtest/gtest.h>

namespace larder::opencl {
namespace {

using Names = std::vector<std::string>;

TEST(OpenclIncludes, EverySpellingIsFound) {
  for (const char* text : {
           "#include \"a.h\"",
           "#include <a.h>",
           "  #\tinclude\t<a.h>",
           "#include\"a.h\"",
           "# /* why */ include /* that */ \"a.h\"",
           "/* first */ #include \"a.h\"",
           "int x; /* over\n lines */ #include \"a.h\"",
           "#inc\\\nlude \"a.h\"",
           "#inc\\ \t\nlude \"a.h\"",
           "#include \\\r\n\"a.h\"",
           "%:include \"a.h\"",
           "#include_next <a.h>",
           "#import \"a.h\"",
           "#embed \"a.h\"",
           "#if __has_include(\"a.h\")",
           "#if __has_include ( <a.h> )",
           "\n\n#include \"a.h\" // behind it",
           "#if 0\n#include \"a.h\"\n#endif",
       }) {
    const Includes found = find_includes(text);
    EXPECT_EQ(found.names, Names{"a.h"}) << text;
    EXPECT_TRUE(found.certain) << text;
  }
}

TEST(OpenclIncludes, OrderAndRepetitionAreKept) {
  EXPECT_EQ(find_includes("#include <b>\n#include \"a\"\n#include <b>\n").names,
            (Names{"b", "a", "b"}));
}

TEST(OpenclIncludes, NamesThatOnlyACompilerKnowsAreDoubt) {
  for (const char* text : {
           "#define X \"a.h\"\n#include X",
           "#include",
           "#include \"a.h",
           "# include <a.h\n>",
           "/* then */ #include X",
           "#if __has_include(X)",
           "?\?=include \"a.h\"",
           "#incl?\?/\nude \"a.h\"",
       }) {
    EXPECT_FALSE(find_includes(text).certain) << text;
  }
}

TEST(OpenclIncludes, ProseAndOtherDirectivesAreNot) {
  for (const char* text : {
           "// use #include here",
           " * an #include of yours",
           "#define include 3",
           "#pragma OPENCL EXTENSION cl_khr_fp64 : enable",
           "#included \"a.h\"",
           "#ifdef __has_include",
           "kernel void f() {}",
           "",
       }) {
    const Includes found = find_includes(text);
    EXPECT_TRUE(found.names.empty()) << text;
    EXPECT_TRUE(found.certain) << text;
  }
}

}  // namespace
}  // namespace larder::opencl
