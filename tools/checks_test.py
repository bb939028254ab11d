#!/usr/bin/env python3
"""Tests of the checks: each rule catches its breach and lets good code pass."""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check_layers  # noqa: E402
import check_style  # noqa: E402
import sum_up_tests  # noqa: E402


class Tree(unittest.TestCase):
    """A made-up checkout: base (0), tensor (1), formats and kernels (3)."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.write("src/LAYERS", "# comment\n0  base\n1  tensor\n3  formats\n3  kernels\n")
        self.write("src/base/CMakeLists.txt", "bantam_folder(base)\n")
        self.write("src/tensor/CMakeLists.txt", "bantam_folder(tensor DEPS bantam_base)\n")
        self.write("src/formats/CMakeLists.txt", "bantam_folder(formats DEPS bantam_tensor)\n")

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


class LayersTest(Tree):
    def breaches(self, path, text):
        self.write(path, text)
        return check_layers.check(self.root)

    def assert_breach(self, path, text, words):
        found = self.breaches(path, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(words, found[0])

    def test_going_down_is_fine(self):
        text = '#include "formats/other.h"\n#include "tensor/dtype.h"\n#include "base/result.h"\n'
        self.assertEqual(self.breaches("src/formats/gguf.cpp", text), [])

    def test_going_up_is_a_breach(self):
        self.assert_breach("src/base/file.cpp", '#include "tensor/dtype.h"\n', "only lower layers")

    def test_the_same_layer_is_a_breach(self):
        self.assert_breach("src/formats/gguf.cpp", '#  include "kernels/dot.h"\n',
                           "src/formats/gguf.cpp:1: formats/ (layer 3) includes kernels/ (layer 3)")

    def test_including_without_linking_is_a_breach(self):
        self.write("src/tensor/CMakeLists.txt", "bantam_folder(tensor)\n")
        self.assert_breach("src/tensor/view.cpp", '#include "base/result.h"\n',
                           "does not link bantam_base")

    def test_linking_upwards_is_a_breach(self):
        self.assert_breach("src/base/CMakeLists.txt",
                           "bantam_folder(base\n  DEPS fmt::fmt bantam_tensor)\n", "not below 0")

    def test_what_only_tests_link_only_tests_include(self):
        self.write("src/tensor/CMakeLists.txt", "bantam_folder(tensor TEST_DEPS bantam_base)\n")
        self.assertEqual(self.breaches("src/tensor/a_test.cpp", '#include "base/x.h"\n'), [])
        self.assert_breach("src/tensor/a.cpp", '#include "base/x.h"\n', "does not link")

    def test_relative_includes_are_breaches(self):
        self.assert_breach("src/tensor/view.cpp", '#include "dtype.h"\n', "from src/")
        self.assert_breach("src/tensor/view.cpp", '#include "../base/result.h"\n', "from src/")

    def test_intrinsics_stay_in_kernels(self):
        self.write("src/kernels/dot.cpp", "#include <immintrin.h>\n")
        self.assert_breach("src/tensor/view.cpp", "#include <immintrin.h>\n", "intrinsics")

    def test_a_folder_without_a_layer_is_a_breach(self):
        self.assert_breach("src/extra/x.cpp", "", "no layer")

    def test_a_bad_layers_file_is_refused(self):
        self.write("src/LAYERS", "0 base\n1 base\n")
        with self.assertRaises(ValueError):
            check_layers.check(self.root)


class StyleTest(Tree):
    def rules(self, path, text):
        self.write(path, text)
        return [line.rsplit("[", 1)[1][:-1] for line in check_style.check(self.root)]

    def test_good_code_passes(self):
        header = "// What it is for.\n#pragma once\n\nnamespace bantam {\nint f(int x);\n}\n"
        self.assertEqual(self.rules("src/base/f.h", header), [])

    def test_headers_need_their_comment_and_guard(self):
        self.assertEqual(self.rules("src/base/f.h", "int f();\n"), ["header", "header"])

    def test_long_files(self):
        self.assertEqual(self.rules("src/base/f.cpp", "int x;\n" * 800), [])
        self.assertEqual(self.rules("src/base/f.cpp", "int x;\n" * 801), ["file"])

    def body(self, lines, before="int f() {", indent=""):
        return f"{indent}{before}\n" + f"{indent}  g();\n" * (lines - 2) + f"{indent}}}\n"

    def test_long_functions(self):
        self.assertEqual(self.rules("src/base/f.cpp", self.body(100)), [])
        self.assertEqual(self.rules("src/base/f.cpp", self.body(101)), ["function"])

    def test_long_functions_inside_namespaces_and_classes(self):
        for opening in ("namespace bantam {", "class Frame : public Base {", 'extern "C" {',
                        "template <typename T>\nstruct Frame {"):
            text = f"{opening}\n{self.body(101)}}};\n"
            self.assertEqual(self.rules("src/base/f.cpp", text), ["function"], opening)

    def test_long_signatures_count(self):
        before = "int f(int a,\n      int b) {"
        self.assertEqual(self.rules("src/base/f.cpp", self.body(99, before)), [])
        self.assertEqual(self.rules("src/base/f.cpp", self.body(101, before)), ["function"])

    def test_tables_are_not_functions(self):
        text = "const int kTable[] = {\n" + "  1,\n" * 200 + "};\n"
        self.assertEqual(self.rules("src/base/f.cpp", text), [])

    def test_braces_in_text_do_not_confuse(self):
        text = 'int f() {\n  g("{{{", \'{\', R"x(})}{)x");  // {{{\n}\n' * 60
        self.assertEqual(self.rules("src/base/f.cpp", text), [])

    def test_libraries_do_not_print_exit_or_start_programs(self):
        for rule, code in (("print", 'std::printf("x");'), ("print", "std::cout << 1;"),
                           ("print", 'fprintf(stderr, "x");'), ("exit", "std::exit(1);"),
                           ("process", 'system("ls");'), ("process", 'popen("ls", "r");'),
                           ("regex", "std::regex r;")):
            self.assertEqual(self.rules("src/base/f.cpp", f"void f() {{ {code} }}\n"), [rule], code)

    def test_others_may(self):
        text = 'void f() { std::printf("x"); }\n'
        self.assertEqual(self.rules("src/cli/f.cpp", text), [])
        self.assertEqual(self.rules("src/base/f_test.cpp", text), [])
        (self.root / "src/base/f_test.cpp").unlink()
        words = ('// std::regex is slow\nauto s = "system(";\n'
                 "void g() { file.system(1); snprintf(); }\n")
        self.assertEqual(self.rules("src/base/f.cpp", words), [])

    def test_layout(self):
        self.assertEqual(self.rules("src/base/f.cpp", "int x; \n"), ["blanks"])
        self.assertEqual(self.rules("src/base/f.cpp", "\tint x;\n"), ["blanks"])
        self.assertEqual(self.rules("src/base/f.cpp", "int x;"), ["newline"])
        self.assertEqual(self.rules("src/base/f.cpp", "//" + "x" * 99 + "\n"), ["columns"])
        self.assertEqual(self.rules("src/base/f.cpp", 'f("' + "x" * 99 + '");\n'), [])

    def test_unfinished_work(self):
        self.assertEqual(self.rules("src/base/f.cpp", "// TO" "DO: more\n"), ["unfinished"])

    def test_exceptions_are_used_or_go(self):
        self.write("tools/style_exceptions.txt", "src/base/f.cpp exit it ends here\n")
        self.assertEqual(self.rules("src/base/f.cpp", "void f() { exit(1); }\n"), [])
        self.assertEqual(self.rules("src/base/f.cpp", "void f() {}\n"), ["exit"])


class SumUpTest(Tree):
    def sums(self):
        tally = sum_up_tests.sum_up(self.root / "results")
        return len(tally.passed), len(tally.failed), len(tally.skipped)

    def write_ctest(self, **tests):
        cases = "".join(f'<testcase name="{name}" status="{status}"/>'
                        for name, status in tests.items())
        self.write("results/release.xml", f"<testsuite>{cases}</testsuite>")

    def write_gtest(self, name, *bodies):
        cases = "".join(f'<testcase classname="Suite" name="C{i}" status="run">{body}</testcase>'
                        for i, body in enumerate(bodies))
        self.write(f"results/release/{name}_test.xml", f"<testsuites>{cases}</testsuites>")

    def test_counts_cases_of_programs_and_tests_that_have_none(self):
        self.write_ctest(base="run", layers="run")
        self.write_gtest("base", "", "", '<skipped message="x.cpp:1&#10;needs shared data"/>')
        self.assertEqual(self.sums(), (3, 0, 1))

    def test_a_failed_case_counts_once(self):
        self.write_ctest(base="fail")
        self.write_gtest("base", "", '<failure message="x.cpp:1&#10;1 is not 2"/>')
        self.assertEqual(self.sums(), (1, 1, 0))

    def test_a_program_that_dies_is_a_failure(self):
        self.write_ctest(base="fail", json="fail")
        self.write_gtest("base", "", "")  # all passed, then it crashed on the way out
        self.assertEqual(self.sums(), (2, 2, 0))

    def test_a_test_that_skips_itself_is_a_skip(self):
        self.write("results/release.xml",
                   '<testsuite><testcase name="templates" status="notrun">'
                   '<skipped message="SKIP_RETURN_CODE=77"/><system-out>needs data</system-out>'
                   '</testcase></testsuite>')
        self.assertEqual(self.sums(), (0, 0, 1))

    def test_npm_cases(self):
        self.write("results/npm/client_test.tap",
                   "TAP version 13\n# Subtest: a\n    ok 1 - inner\nok 1 - a\nnot ok 2 - b\n"
                   "ok 3 - c # SKIP no model\n1..3\n")
        self.write("results/npm/dead_test.tap", "TAP version 13\n")
        self.assertEqual(self.sums(), (1, 2, 1))

    def test_a_part_left_out_is_one_skip(self):
        self.write("results/npm.skipped", "no registry\n")
        self.assertEqual(self.sums(), (0, 0, 1))


if __name__ == "__main__":
    unittest.main()
