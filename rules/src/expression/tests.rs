use super::*;

fn condition(text: &str, names: &[(&str, bool)]) -> Result<Program, Fault> {
    Language::new().check(text, names, Wanted::Condition)
}

fn refused(text: &str) -> String {
    condition(text, &[("load", false), ("limit", false), ("open", true)]).unwrap_err().to_string()
}

#[test]
fn a_condition_sees_its_inputs_in_their_units() {
    let program =
        condition("load > 0.9 * limit && !open", &[("load", false), ("limit", false), ("open", true)]).unwrap();
    let of = |load_kw: i64, open| {
        program.condition(&[Value::Number(load_kw * 1_000), Value::Number(1_000_000), Value::Flag(open)])
    };
    assert_eq!([of(900, false), of(901, false), of(901, true)], [Ok(false), Ok(true), Ok(false)]);
}

#[test]
fn whole_numbers_and_fractions_mix_as_people_write_them() {
    let language = Language::new();
    for (text, thousandths) in [
        ("a + 1", 3_500),
        ("max(a, 3)", 3_000),
        ("min(2, a) / 4", 500),
        ("-a", -2_500),
        ("round(a * 10.0)", 25_000),
        ("7", 7_000),
    ] {
        let names = if text == "7" { vec![] } else { vec!["a"] };
        let program = language.compile(text, names).unwrap();
        assert_eq!(program.number(&[Value::Number(2_500)]), Ok(thousandths), "{text}");
    }
}

#[test]
fn what_does_not_parse_or_names_what_is_not_there_is_refused_with_its_place() {
    assert!(refused("load >").starts_with("line 1, column "), "{}", refused("load >"));
    let unknown = refused("load > 3\n  && lod < 5");
    assert!(unknown.starts_with("line 2, column 6") && unknown.contains("lod"), "{unknown}");
    assert!(refused("  ").contains("empty"));
    assert!(refused(&"1+".repeat(3_000)).contains("wanted at most 4096"));
    assert!(refused(&format!("{}load > 1{}", "(".repeat(60), ")".repeat(60))).contains("line 1"));
}

#[test]
fn a_result_of_the_wrong_type_is_refused_with_the_values_that_gave_it() {
    let number = refused("load - limit");
    assert!(number.contains("gives a number: wanted a condition") && number.contains("load = 0.0"), "{number}");
    // Only some values come to that.
    assert!(refused("if load > 4000 { \"much\" } else { open }").contains("gives a text"));
    assert!(refused("open + 1 > 2").contains("there is no +"), "{}", refused("open + 1 > 2"));
    assert!(refused("loud(load)").contains("loud"));
    let number = Language::new().check("load > 1", &[("load", false)], Wanted::Number).unwrap_err();
    assert!(number.to_string().contains("wanted a number"));
}

#[test]
fn a_program_that_does_not_end_is_stopped_and_named() {
    let endless = refused("let n = load; while true { n += 1.0; } n > 3");
    assert!(endless.contains("does not end: stopped after 10000 steps"), "{endless}");
    assert!(refused("loop {}").contains("does not end"));
    // One that ends may loop.
    assert!(condition("let n = 0; for i in 0..10 { n += i; } n == 45 && open", &[("open", true)]).is_ok());
}

#[test]
fn memory_is_bounded() {
    assert!(refused("let s = \"x\"; for i in 0..100 { s += s; } open").contains("Length of string too large"));
    let many: String = (0..100).map(|n| format!("let v{n} = {n};")).collect();
    assert!(condition(&(many + "open"), &[("open", true)]).is_err());
}

#[test]
fn there_is_no_way_out_of_a_program() {
    for text in [
        "eval(\"true\")",
        "print(\"x\"); true",
        "import \"x\" as y; true",
        "fn f() { true } f()",
        "timestamp().elapsed > 1",
        "rand() > 1",
        "load ** 0.5 > 1",
        "sqrt(load) > 1",
    ] {
        assert!(condition(text, &[("load", false)]).is_err(), "{text}");
    }
}

#[test]
fn a_quotient_by_nothing_is_no_quantity() {
    let program = Language::new().check("a / b", &[("a", false), ("b", false)], Wanted::Number).unwrap();
    assert!(program.number(&[Value::Number(1_000), Value::Number(0)]).unwrap_err().why.contains("wanted a quantity"));
    assert_eq!(program.number(&[Value::Number(1_000), Value::Number(4_000)]), Ok(250));
}

#[test]
fn names_that_are_declared_and_not_used_are_found() {
    let language = Language::new();
    assert_eq!(language.unused("a > b", &["a", "b", "c"]), ["c"]);
}
