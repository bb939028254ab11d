#!/usr/bin/env python3
"""Records what Python's Jinja makes of many small templates: src/chat/testdata/jinja_cases.jsonl.

The environment is set up as Hugging Face transformers sets it up. Needs python3-jinja2 (3.1.6 wrote
the recorded file). The templates are generated here, from lists and from a seeded random grammar,
so that the same script writes the same file. Cases whose result names an address or needs whole
numbers beyond 64 bits are left out, as is what bantam leaves out on purpose (see
src/chat/jinja/template.h).
"""
import json
import os
import random

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

OUT = os.path.join(os.path.dirname(__file__), "..", "src", "chat", "testdata", "jinja_cases.jsonl")

INPUTS = {
    "a": "ctxA",
    "b": ["p", "q"],
    "c": 2,
    "items": [{"role": "user", "content": " hi "}, {"role": "assistant", "content": "yo\n"}],
    "msg": {"k": "v", "role": "tool", "n": 3},
}

VALUES = [
    "none", "true", "false", "0", "1", "-3", "7", "2.5", "-0.0", "1e-7", "0.1", "1e16",
    "123456789.125", "''", "'abc'", "'Hello World'", "' pad '", "'a,b,,c'", "'ÄöüßΣ σς'",
    "'日本語'", '"it\'s"', """'<b>&"x"'""", "'42'", "' 3.7 '", "'x\\ny\\n'", "[]", "[1,2,3]",
    "['b','A','c']", "[1,'a']", "(1,2)", "()", "(1,)", "{}", "{'a':1,'b':2}", "{'B':1,'a':3}",
    "{1:'x',none:2}", "undef", "range(3)", "[[1,2],[3,4]]", "[none,1]", "[1.5,2]", "'%s-%s'",
    "'{}|{}'", "[{'n':'x','v':2},{'n':'Y','v':1}]", "namespace(a=1)", "'a b  c'",
    "[true,false,1,0]", "['x','X','x']", "'ß'", "'ﬁx'", "'ǆa'", "{'a':{'b':[1,2,{'c':'d'}]}}",
    "'tab\\tand\\u2028line'", "('<i>'|safe)", "'0x1F'", "'1_000'", "'-inf'",
]

FILTERS = """abs;capitalize;center(9);count;d('D');default('D',true);dictsort;
dictsort(by='value');e;dictsort(reverse=true);filesizeformat;filesizeformat(true);first;float;
float(9.5);format(1,2);format('a','b');indent;indent(2,true);indent(width=2,blank=true);int;
int(5);int(base=16);items|list;join;join(', ');last;length;list;lower;max;min;reverse|list;
reject|list;round;round(1);round(method='ceil');round(1,'floor');round(-1);safe;select|list;
slice(2)|list;sort;sort(reverse=true);string;sum;title;tojson;tojson(indent=2);
tojson(ensure_ascii=true);tojson(sort_keys=true);trim;trim('a ');unique|list;upper;urlencode;
wordcount;map('upper')|list;map('string')|join('-');map(attribute='n')|list;
map(attribute=0)|list;map(attribute='n',default='z')|list;selectattr('n')|list;
selectattr('v','gt',1)|list;rejectattr('v','eq',1)|map(attribute='n')|list;select('odd')|list;
select('string')|list;reject('none')|list;batch(2)|list;batch(2,'f')|list;groupby('v');
sort(attribute='v');sort(attribute='n');sort(case_sensitive=true);replace('a','XX');
replace('','.');replace('b','',1);sum(attribute='v');sum(start=10);min(attribute='v');
max(attribute='n');forceescape;map('int')|sum;list|length;tojson(indent=0);
tojson(separators=(',',':'));tojson(indent='--');slice(2,'z')|list;nosuchfilter""".replace("\n", "").split(";")

METHODS = """upper();lower();strip();lstrip('a');rstrip();strip('x');split();split(',');
split(',',1);rsplit(',',1);split(maxsplit=1);splitlines();splitlines(true);startswith('a');
endswith(('c','d'));find('b');rfind('o');index('a');count('o');count('');replace('a','b');
replace('','-');title();capitalize();swapcase();center(9,'*');center(8);ljust(6)~'|';
rjust(6,'.');zfill(6);isalpha();isalnum();isspace();isupper();islower();istitle();
isidentifier();join(['x','y']);join('zz');partition(',');rpartition(',');partition('zz');
removeprefix('a');removesuffix('c');expandtabs(4);format(1,2);format('x',y=2);casefold();keys();
values();items();get('a');get('zz','D');get('zz');copy();count(1);append(1);pop();update({});
items()|list;isascii();format_map({'a':1});find('l',3);find('l',3,4);rsplit();startswith('b',1);
is_integer();__class__;a;n;0;1""".replace("\n", "").split(";")

TESTS = """defined;undefined;none;boolean;true;false;integer;float;number;string;mapping;
iterable;sequence;callable;odd;even;divisibleby 3;divisibleby(2);eq 1;ne(1);lt 2;gt(2);ge 2;
le 2;in [1,'abc'];in 'abcdef';sameas none;lower;upper;escaped;equalto 'abc';filter;test""".replace("\n", "").split(";")

OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in",
             "not in", "and", "or"]

SUBSCRIPTS = ["[0]", "[-1]", "[5]", "['a']", "[1:]", "[:-1]", "[::-1]", "[::2]", "[-2:]", "[5:1:-2]",
              "[none]", "[:]", "[2::-1]", "[-100:2]", "[true]", "['length']"]

FORMATS = ["'%5d|%-5d|%05d|%+d' % (3, 3, 3, 3)", "'%x %X %o %#x' % (255, 255, 8, 255)",
           "'%.2f %8.3f %e %g %G' % (3.14159, 2.5, 12345.678, 0.00001, 1e20)", "'%s %r' % ('a', 'a')",
           "'%(k)s %(n)d' % msg", "'%c%c' % (65, 'b')", "'%5s|%-5s|%.1s' % ('ab', 'ab', 'ab')",
           "'%%' % ()", "'%d' % 'x'", "'%s' % (1, 2)", "'%s %s' % 1", "'%.3s' % 'ÄÖÜß'", "'%*d' % (4, 7)",
           "'{:>6}|{:<6}|{:^6}|{:*^7}'.format('a', 'b', 'c', 'd')", "'{:05d} {:+} {:,}'.format(42, 7, 1234567)",
           "'{:.2f} {:e} {:g} {:%}'.format(2.675, 12345.0, 0.1, 0.25)", "'{:b} {:o} {:x} {:#X}'.format(5, 8, 255, 255)",
           "'{0.k} {0[role]} {1[0]}'.format(msg, b)", "'{!r} {!s}'.format('a', 'a')", "'{{}} {}'.format(1)",
           "'{:{}}|'.format('a', 4)", "'{} {1}'.format(1, 2)", "'{'.format()", "'}'.format()", "'{x}'.format()",
           "'{:d}'.format('x')", "'{:.1f}'.format(1)", "'{:>4}'.format(none)", "'{:10.3}|'.format('abcdef')"]


class Tracker(Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Tracker, loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    return env


class Grammar:
    """Random templates: mostly well formed, heavy on scopes, loops, macros and white space."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.macros = []
        self.loops = 0

    def pick(self, *options):
        return self.random.choice(options)

    def chance(self, p):
        return self.random.random() < p

    def constant(self):
        return self.pick("1", "2", "'s'", "'T\\n'", "''", "none", "true", "[1,2]", "[]",
                         "{'k':'v'}", "1.5", "(1,2)")

    def expression(self, depth=0):
        if depth > 3 or self.chance(0.3):
            name = self.pick("a", "b", "c", "x", "undefd", "items", "msg")
            return name if self.chance(0.7) else self.constant()
        inner = lambda: self.expression(depth + 1)
        kind = self.random.randrange(9)
        if kind == 0:
            return "(%s)|%s" % (inner(), self.pick(
                "string", 'default("D")', 'default("E",true)', "string|upper", "string|length",
                "e", "string|title", "string|trim"))
        if kind in (1, 2):
            return "(%s %s %s)" % (inner(), self.pick("~", "~", "==", "!=", "and", "or"), inner())
        if kind == 3:
            return "(%s is %s%s)" % (inner(), self.pick("", "not "),
                                     self.pick("defined", "none", "string", "iterable"))
        if kind == 4:
            otherwise = "" if self.chance(0.3) else " else " + inner()
            return "(%s if %s%s)" % (inner(), inner(), otherwise)
        if kind == 5:
            return "[%s, %s]" % (inner(), inner())
        if kind == 6:
            return self.pick("items[0].role", "msg.k", 'msg["n"]', "items[-1].content",
                             "items[1:]", "msg.zz", "items[9]", "ns.n")
        if kind == 7:
            part = self.pick("loop.index", "loop.first", "loop.last", "loop.previtem",
                             "loop.nextitem", "loop.length", "loop.revindex0",
                             'loop.cycle("p","q")')
            return part if self.loops else "loop is defined"
        if self.macros:
            name, count = self.random.choice(self.macros)
            count = self.random.randint(0, count)
            return "%s(%s)" % (name, ", ".join(inner() for _ in range(count)))
        return "not " + self.constant()

    def tag(self, body):
        sign = lambda: "-" if self.chance(0.25) else ("+" if self.chance(0.03) else "")
        return "{%" + sign() + " " + body + " " + sign() + "%}"

    def text(self):
        return self.pick("", "x", " ", "\n", "\n  ", " t \n", "\n\n  ", "end", "}", "\t",
                         "  <b>\n", "é", "\u00a0\n")

    def block(self, depth=0):
        return "".join(self.text() + self.statement(depth) + self.text()
                       for _ in range(self.random.randint(1, 2)))

    def statement(self, depth):
        kind = self.random.random()
        if kind < 0.3 or depth > 3:
            return ("{{" + self.pick("", "", "-") + " " + self.expression() + " " +
                    self.pick("", "", "-") + "}}")
        if kind < 0.42:
            out = self.tag("if " + self.expression()) + self.block(depth + 1)
            if self.chance(0.3):
                out += self.tag("elif " + self.expression()) + self.block(depth + 1)
            if self.chance(0.5):
                out += self.tag("else") + self.block(depth + 1)
            return out + self.tag("endif")
        if kind < 0.6:
            target = self.pick("x", "x", "a", "k, v")
            over = (self.pick("[[1,2],[3,4]]", "msg.items()") if "," in target else
                    self.pick("items", "[1,2,3]", "range(2)", '"ab"', "[]"))
            condition = " if " + self.expression() if self.chance(0.25) else ""
            recursive = self.chance(0.1)
            self.loops += 1
            body = self.block(depth + 1)
            if self.chance(0.15):
                body += (self.tag("if " + self.expression()) +
                         self.tag(self.pick("break", "continue")) + self.tag("endif"))
            self.loops -= 1
            if recursive:
                body += "{{ loop([[5,6]]) if loop.depth < 3 }}"
            out = self.tag("for %s in %s%s%s" % (target, over, condition,
                                                 " recursive" if recursive else "")) + body
            if self.chance(0.3):
                out += self.tag("else") + self.block(depth + 1)
            return out + self.tag("endfor")
        if kind < 0.72:
            return self.tag("set %s = %s" % (self.pick("a", "b", "c", "x", "ns.n"),
                                             self.expression()))
        if kind < 0.76:
            return (self.tag("set %s%s" % (self.pick("a", "b"), self.pick("", "|upper", "|trim"))) +
                    self.block(depth + 1) + self.tag("endset"))
        if kind < 0.84:
            name, count = "m%d" % self.random.randint(0, 3), self.random.randint(0, 2)
            parameters = ["p%d" % i for i in range(count)]
            if parameters and self.chance(0.5):
                parameters[-1] += "=" + self.expression(2)
            body = self.block(depth + 1) + "".join("{{ p%d }}" % i for i in range(count))
            if self.chance(0.3):
                body += "{{ caller() if caller else '' }}"
            head = self.tag("macro %s(%s)" % (name, ", ".join(parameters)))
            out = head + body + self.tag("endmacro")
            self.macros.append((name, count))
            return out
        if kind < 0.88 and self.macros:
            name, count = self.random.choice(self.macros)
            return (self.tag("call%s %s()" % (self.pick("", "(q='d')"), name)) +
                    self.block(depth + 1) + self.tag("endcall"))
        if kind < 0.92:
            name = self.pick("upper", "trim", 'replace("x","y")', "indent(2)")
            return self.tag("filter " + name) + self.block(depth + 1) + self.tag("endfilter")
        if kind < 0.95:
            return (self.tag("with %s = %s" % (self.pick("a", "b", "x"), self.expression())) +
                    self.block(depth + 1) + self.tag("endwith"))
        if kind < 0.97:
            return self.tag("generation") + self.block(depth + 1) + self.tag("endgeneration")
        return self.pick("{# c {{ x }} #}", "{#- c -#}",
                         "{% raw %} {{ x }} {% if %} \n {% endraw %}",
                         "{% raw -%}\n {%x%}{%- endraw -%} ")

    def template(self):
        return "{% set ns = namespace(n=0) %}" + self.block()


def expressions():
    for value in VALUES:
        yield "{{ %s }}" % value
        yield "{{ [%s] }}" % value
        yield "{%% set v = %s %%}{{ -v }}" % value
        yield "{%% for x in %s %%}{{ loop.index }}:{{ x }},{%% else %%}E{%% endfor %%}" % value
        suffixes = ["|" + f for f in FILTERS] + ["." + m for m in METHODS]
        suffixes += [" is " + t for t in TESTS] + SUBSCRIPTS
        for suffix in suffixes:
            yield "{%% set v = %s %%}{{ v%s }}" % (value, suffix)
        for other in VALUES:
            for operator in OPERATORS:
                assignments = "{%% set v = %s %%}{%% set w = %s %%}" % (value, other)
                yield assignments + "{{ v %s w }}" % operator


def usable(template, output):
    if "range(3)" in template and ".count(" in template:
        return False
    hidden = ("object at 0x", "built-in", "Macro", "LoopContext")
    return output is None or not any(part in output for part in hidden)


def main():
    env = environment()
    templates = random.Random(7).sample(list(expressions()), 2200)
    templates += ["{{ %s }}" % f for f in FORMATS]
    wanted, seed = 0, 0
    with open(OUT, "w", encoding="utf-8") as out:
        def record(template, keep_errors):
            try:
                output = env.from_string(template).render(**INPUTS)
            except Exception:
                output = None
            if not usable(template, output) or (output is None and not keep_errors):
                return False
            row = {"t": template, "o": output}
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            return True

        out.write(json.dumps({"inputs": INPUTS}, ensure_ascii=False) + "\n")
        # Most pairs of operands are errors; one in five of those is enough.
        for i, template in enumerate(templates):
            record(template, i % 5 == 0)
        while wanted < 400:
            template = Grammar(seed).template()
            seed += 1
            if len(template) < 500 and record(template, seed % 5 == 0):
                wanted += 1


if __name__ == "__main__":
    main()
