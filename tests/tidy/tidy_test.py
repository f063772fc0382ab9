"""Each rule of tidy.py bites, and lets good code through."""

import unittest

import scopes
import tidy


def found(rule, tree):
    return [(f.path, f.line) for f in rule(tree)]


class Floors(unittest.TestCase):
    def test_includes_go_down_only(self):
        tree = {"src/store/a.cc": '#include "os/clock.h"\n#include "base/x.h"\n'
                                  '#include "cache/lease.h"\n'}
        self.assertEqual(found(tidy.floors, tree), [("src/store/a.cc", 3)])

    def test_siblings_never_meet(self):
        tree = {"src/format/a.h": '#include "os/clock.h"\n', "src/os/b.h": '# include "os/c.h"\n'}
        self.assertEqual(found(tidy.floors, tree), [("src/format/a.h", 1)])

    def test_names_start_at_src_and_floors_are_known(self):
        tree = {"src/base/a.cc": '#include "b.h"\n', "src/misc/a.cc": "int x();\n"}
        self.assertEqual(len(found(tidy.floors, tree)), 2)

    def test_the_library_does_not_know_its_test_tools(self):
        tree = {"src/base/a.cc": '#include "larder/error.h"\n#include "larder/testing/f.h"\n'}
        self.assertEqual(found(tidy.floors, tree), [("src/base/a.cc", 2)])

    def test_outsiders_see_what_is_installed_and_themselves(self):
        tree = {"cli/a.cc": '#include "larder/store.h"\n#include "b.h"\n#include "base/hex.h"\n',
                "cli/b.h": '#include <string>\n#include "../src/base/hex.h"\n',
                "adapters/opencl/c.cc": '#include "adapters/vulkan/v.h"\n#include "d.h"\n',
                "adapters/opencl/d.h": "", "adapters/vulkan/v.h": "", "src/base/hex.h": ""}
        self.assertEqual(found(tidy.public_only, tree),
                         [("cli/a.cc", 3), ("cli/b.h", 2), ("adapters/opencl/c.cc", 1)])


class SystemCalls(unittest.TestCase):
    def bites(self, line):
        tree = {"src/store/a.cc": line + "\n", "src/os/a.cc": line + "\n"}
        return found(tidy.system_calls, tree) == [("src/store/a.cc", 1)]

    def test_bite(self):
        for line in ("#include <unistd.h>", "#include <sys/stat.h>", "#include <filesystem>",
                     "int fd = ::open(path, 0);", "return fdatasync(fd);", "::pread(fd, p, n, 0);",
                     'auto home = std::getenv("HOME");', "std::filesystem::path p;",
                     "std::ifstream in(name);", "auto t = std::chrono::system_clock::now();",
                     "if (fork() == 0) return;", "std::abort();"):
            self.assertTrue(self.bites(line), line)

    def test_functions_of_our_own_with_such_names_are_free(self):
        for line in ("auto file = directory->open(name);", "file.read(into);", "// fsync(fd) here",
                     'return "fdatasync(";', "Result<void> close() override;", "reopen(name);",
                     "fs.rename_over(a, b, c);", "std::chrono::steady_clock::now();"):
            self.assertFalse(self.bites(line), line)


class Sizes(unittest.TestCase):
    def test_files(self):
        tree = {"src/base/a.cc": "\n" * 501, "src/base/b.cc": "\n" * 500, "data.json": "\n" * 900}
        self.assertEqual(found(tidy.sizes, tree), [("src/base/a.cc", 501)])

    def test_columns(self):
        tree = {"a.cc": "x" * 101, "b.cc": "é" * 100, "run": "#!/bin/sh\n" + "x" * 101}
        self.assertEqual(found(tidy.sizes, tree), [("a.cc", 1), ("run", 2)])

    def test_functions(self):
        def source(statements):
            body = "    x();\n" * statements
            return f"namespace n {{\nstruct S {{\n  int f(int x) const {{\n{body}  }}\n}};\n}}\n"
        self.assertEqual(found(tidy.function_sizes, {"a.cc": source(68)}), [])
        self.assertEqual(found(tidy.function_sizes, {"a.cc": source(69)}), [("a.cc", 3)])

    def test_python_functions(self):
        tree = {"a.py": "def f():\n" + "    g()\n" * 70, "b.py": "def f():\n" + "    g()\n" * 69}
        self.assertEqual(found(tidy.function_sizes, tree), [("a.py", 1)])


class Scopes(unittest.TestCase):
    def measure(self, text):
        return [(f.line, f.lines) for f in scopes.functions(text)]

    def test_braces_in_literals_and_comments_do_not_count(self):
        text = 'void f() {\n  g("}", \'}\', R"x(}})x");  // }\n  /* } */ h(1\'000);\n}\nint x;\n'
        self.assertEqual(self.measure(text), [(1, 4)])

    def test_macros_do_not_count(self):
        self.assertEqual(self.measure("#define A(x) \\\n  void x() {\nvoid f() {\n}\n"), [(3, 2)])

    def test_types_lambdas_and_control_are_no_functions_of_their_own(self):
        text = ("struct A : B<decltype(c())> {\n  int d = 0;\n};\n"
                "void f() {\n  for (;;) {\n  }\n  g([] {\n  });\n}\n")
        self.assertEqual(self.measure(text), [(4, 6)])

    def test_constructors_with_initialisers(self):
        self.assertEqual(self.measure("A::A(int b)\n    : b_(b) {\n  c();\n}\n"), [(1, 4)])

    def test_tests_are_functions(self):
        self.assertEqual(self.measure("TEST(A, B) {\n  c();\n}\n"), [(1, 3)])


class Unlisted(unittest.TestCase):
    LISTS = {"src/CMakeLists.txt": "set(larder_sources\n  base/a.cc)  # base/c.cc\n",
             "tests/CMakeLists.txt": "larder_test(unit/a_test.cc)\n# larder_test(unit/b_test.cc)\n"
                                     "add_test(NAME t COMMAND ${P} ${CMAKE_CURRENT_SOURCE_DIR}/"
                                     "tidy/t_test.py)\nadd(${PROJECT_SOURCE_DIR}/cli/m.cc)\n"}

    def test_bites(self):
        tree = self.LISTS | {"src/base/c.cc": "", "tests/unit/b_test.cc": "",
                             "tests/tidy/u_test.py": ""}
        self.assertEqual(sorted(p for p, _ in found(tidy.unlisted, tree)),
                         ["src/base/c.cc", "tests/tidy/u_test.py", "tests/unit/b_test.cc"])

    def test_lets_listed_files_through(self):
        tree = self.LISTS | {"src/base/a.cc": "", "tests/unit/a_test.cc": "", "cli/m.cc": "",
                             "tests/tidy/t_test.py": "", "tests/tidy/helper.py": ""}
        self.assertEqual(found(tidy.unlisted, tree), [])

    def test_dead_headers(self):
        tree = {"src/base/a.h": "", "src/base/b.h": "", "include/larder/c.h": "",
                "src/base/a.cc": '#include "base/a.h"\n'}
        self.assertEqual(found(tidy.dead_headers, tree), [("src/base/b.h", 1)])


class Words(unittest.TestCase):
    def bites(self, rule, path, line):
        return found(rule, {path: "\n" + line + "\n"}) == [(path, 2)]

    def test_banned(self):
        for line in ("// TODO later", "// FIXME: wrong", "# XXX", "GTEST_SKIP();",
                     "TEST(A, DISABLED_B) {", "#if 0", "x();  // NOLINT", "x();  // NOLINT(a)"):
            self.assertTrue(self.bites(tidy.banned, "src/a.cc", line), line)
        for line in ("int todo_list;", "#if 01", "x();  // NOLINT(a-b): the C library wants it"):
            self.assertFalse(self.bites(tidy.banned, "src/a.cc", line), line)

    def test_prints(self):
        for line in ('std::printf("%d", x);', "puts(s);", 'fprintf(stderr, "x");'):
            self.assertTrue(self.bites(tidy.prints, "src/base/a.cc", line), line)
        self.assertFalse(self.bites(tidy.prints, "cli/a.cc", "puts(s);"))
        self.assertFalse(self.bites(tidy.prints, "src/base/a.cc", "store.inputs(s);"))

    def test_machine_paths(self):
        for line in ("/mnt/a/x", "cd /Users/ann/a", "/root/.cache", "/home/ann/x"):
            self.assertTrue(self.bites(tidy.machine_paths, "README.md", line), line)
        self.assertFalse(self.bites(tidy.machine_paths, "README.md", "/home/you, network/a"))


class Interfaces(unittest.TestCase):
    def test_bool_parameters(self):
        def bites(line):
            return found(tidy.bool_parameters, {"include/larder/a.h": line}) != []
        for line in ("void f(bool);", "void f(int a, bool all = true);", "void f(bool a, int b);"):
            self.assertTrue(bites(line), line)
        for line in ("bool f(int a);", "struct S { bool x = false; };", "Result<bool> f(int a);",
                     "void f(const std::function<bool(int)>& g);", "bool g() { return (a = b); }"):
            self.assertFalse(bites(line), line)
        self.assertEqual(found(tidy.bool_parameters, {"src/a.h": "void f(bool b);"}), [])

    def test_mutable_globals(self):
        def bites(line):
            return found(tidy.mutable_globals, {"src/base/a.cc": "namespace n {\n" + line + "\n}"})
        for line in ("int count;", "int count = 0;", "std::atomic<int> count{0};",
                     "static std::mutex lock;", "thread_local int depth = 0;", "int t[4] = {1};",
                     'const char* name = "x";', "inline std::string s = f();",
                     "std::map<int, std::string> names = {{1, \"a\"}};",
                     "int f() { static int n = 0; return ++n; }", "struct S { static int n; };"):
            self.assertTrue(bites(line), line)
        for line in ("constexpr int n = 3;", "const std::string s = f();", "int f(int a);",
                     'const char* const name = "x";', "using A = int;", "class B;", "enum C { d };",
                     "struct S { int n = 0; static int f(); std::mutex m_; };",
                     "int f() { static const int n = 1; int m = 0; return n + m; }",
                     "template <class T> void f(T t) { t(); }", "inline constexpr int m = 4;",
                     "std::string A::name() const { return x_; }", "A::A() = default;",
                     "static std::string f(int x) { return g(x); }",
                     "static_assert(sizeof(int) == 4);", "extern const int z;"):
            self.assertFalse(bites(line), line)


class Exceptions(unittest.TestCase):
    TREE = {"src/base/a.cc": "// TODO\n", "src/CMakeLists.txt": "add_library(l base/a.cc)\n"}

    def test_a_finding_is_reported(self):
        self.assertEqual([f.rule for f in tidy.check(self.TREE, {})], ["banned"])

    def test_an_exception_hides_what_it_names_only(self):
        self.assertEqual(tidy.check(self.TREE, {("banned", "src/base/a.cc"): "why"}), [])
        self.assertEqual(len(tidy.check(self.TREE, {("columns", "src/base/a.cc"): "why"})), 2)

    def test_an_exception_that_nothing_needs_is_reported(self):
        left = tidy.check({}, {("banned", "src/base/a.cc"): "why"})
        self.assertEqual([f.rule for f in left], ["exception"])


class ReadmeCode(unittest.TestCase):
    def test_is_the_example_to_the_letter(self):
        tree = {"README.md": "# L\n```cpp\nint x;\n```\n", "examples/quickstart.cc": "int x;\n"}
        self.assertEqual(found(tidy.readme_code, tree), [])
        tree["examples/quickstart.cc"] = "int y;\n"
        self.assertEqual(found(tidy.readme_code, tree), [("README.md", 1)])


if __name__ == "__main__":
    unittest.main()
