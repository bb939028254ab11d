"""The public task sets as chat rows: banking77, CLINC150, SNIPS and NLU++.

Every function returns (train, dev): lists of (system, user, assistant). Held out are banking77's
dev.csv, CLINC150's val and oos_val, every tenth row of each SNIPS intent by position, and fold 14
of NLU++.
"""

import csv
import json

BANKING = "Name the banking intent."
CLINC = "Name the intent."
SNIPS = "Extract intent and slots as JSON."
NLUPP = "Name all intents."
OUT_OF_SCOPE = "oos"

# The domains of CLINC150 as its authors group them (Larson et al. 2019, table 1 and domains.json),
# 15 intents each.
CLINC_DOMAINS = {
    "banking": """transfer transactions balance freeze_account pay_bill bill_balance bill_due
    interest_rate routing
        min_payment order_checks pin_change report_fraud account_blocked spending_history""",
    "credit_cards": """credit_score report_lost_card credit_limit rewards_balance new_card
    application_status
        card_declined international_fees apr redeem_rewards credit_limit_change damaged_card
        replacement_card_duration improve_credit_score expiration_date""",
    "kitchen_and_dining": """recipe restaurant_reviews calories nutrition_info restaurant_suggestion
        ingredients_list ingredient_substitution cook_time food_last meal_suggestion
        restaurant_reservation
        confirm_reservation how_busy cancel_reservation accept_reservations""",
    "home": """shopping_list shopping_list_update next_song play_music update_playlist todo_list
    todo_list_update
        calendar calendar_update what_song order order_status reminder reminder_update
        smart_home""",
    "auto_and_commute": """traffic directions gas gas_type distance current_location mpg
    oil_change_when
        oil_change_how jump_start uber schedule_maintenance last_maintenance tire_pressure
        tire_change""",
    "travel": """book_flight book_hotel car_rental travel_suggestion travel_alert
    travel_notification carry_on
        timezone vaccines translate flight_status international_visa lost_luggage plug_type
        exchange_rate""",
    "utility": """time alarm share_location find_phone weather text spelling make_call timer date
    calculator
        measurement_conversion flip_coin roll_dice definition""",
    "work": """direct_deposit pto_request taxes payday w2 pto_balance pto_request_status
    next_holiday insurance
        insurance_change schedule_meeting pto_used meeting_schedule rollover_401k income""",
    "small_talk": """greeting goodbye tell_joke where_are_you_from how_old_are_you what_is_your_name
    who_made_you
        thank_you what_can_i_ask_you what_are_your_hobbies do_you_have_pets are_you_a_bot
        meaning_of_life
        who_do_you_work_for fun_fact""",
    "meta": """change_ai_name change_user_name cancel user_name reset_settings whisper_mode repeat
    no yes maybe
        change_language change_accent change_volume change_speed sync_device""",
}
CLINC_DOMAINS = {domain: intents.split() for domain, intents in CLINC_DOMAINS.items()}


def banking(data):
    def rows(name):
        with open(data / "tasks/banking77" / name, encoding="utf-8", newline="") as file:
            return [
                (BANKING, " ".join(row["text"].split()), row["category"])
                for row in csv.DictReader(file)
            ]

    return rows("train.csv"), rows("dev.csv")


def clinc(data, left_out=None):
    """left_out: a domain whose intents are taken away from training and, as a third list, given
    back."""
    file = data / "tasks/clinc150/data_full_train_val.json"
    splits = json.loads(file.read_text(encoding="utf-8"))
    gone = set(CLINC_DOMAINS[left_out]) if left_out else set()

    def rows(*names):
        return [(CLINC, text, intent) for name in names for text, intent in splits[name]]

    train = [row for row in rows("train", "oos_train") if row[2] not in gone]
    withheld = [row for row in rows("train") if row[2] in gone]
    return train, rows("val", "oos_val"), withheld


def snips_frames(data):
    """(train, dev) of frames: (intent, [(text, slot or None), ...]) in the order of the files."""
    train, dev = [], []
    for file in sorted((data / "tasks/snips").glob("train_*.json")):
        ((intent, rows),) = json.loads(file.read_text(encoding="utf-8")).items()
        for position, row in enumerate(rows):
            parts = [(part["text"], part.get("entity")) for part in row["data"]]
            (dev if position % 10 == 9 else train).append((intent, parts))
    return train, dev


def frame_row(intent, parts):
    """A chat row of a frame. Slots stand in the order of the text, so that they can be copied from
    left to right.

    A slot that occurs twice keeps its first value: a JSON object has one place for it.
    """
    answer = {"intent": intent}
    for text, slot in parts:
        if slot and text.strip():
            answer.setdefault(slot, text.strip())
    user = " ".join("".join(text for text, _ in parts).split())
    return SNIPS, user, json.dumps(answer, ensure_ascii=False)


def snips(data):
    train, dev = snips_frames(data)
    return [frame_row(*frame) for frame in train], [frame_row(*frame) for frame in dev]


def nlupp(data):
    train, dev = [], []
    for domain in ("banking", "hotels"):
        for fold in range(15):
            file = data / "tasks/nlupp" / domain / f"fold{fold}.json"
            for row in json.loads(file.read_text(encoding="utf-8")):
                intents = ", ".join(row.get("intents", [])) or "none"
                (dev if fold == 14 else train).append(
                    (NLUPP, " ".join(row["text"].split()), intents)
                )
    return train, dev
