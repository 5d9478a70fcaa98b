"""Names of files in twenty languages, and names that are hard to show."""

from __future__ import annotations

# Each with a number, so that digits beside letters are shown too.
LANGUAGES = {
    "am": "ሰላም 1.txt",
    "ar": "صورة العائلة 12.jpg",
    "bn": "ছবি ৩.png",
    "cs": "Příliš žluťoučký kůň 2.txt",
    "de": "Größe & Maße 10.pdf",
    "el": "Φωτογραφίες 2024.zip",
    "en": "holiday 2.jpg",
    "fa": "گزارش سالانه ۱۴۰۲.pdf",
    "fr": "Été à Sète 3.jpg",
    "ha": "ƙasa 4.md",
    "he": "תמונות 10.zip",
    "hi": "हिन्दी में नाम 5.txt",
    "ja": "写真とがぎぐげご 6.png",
    "ko": "한국어 이름 7.txt",
    "ru": "Ёлка и йод 8.mp4",
    "ta": "தமிழ் பெயர் 9.txt",
    "th": "ชื่อไฟล์ภาษาไทย 11.txt",
    "tr": "\u0131ğd\u0131r İstanbul 1.csv",
    "ur": "اردو فائل 2.txt",
    "vi": "Tiếng Việt nhiều dấu 3.txt",
    "zh": "中文文件名称 4.docx",
}
RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")
HARD = {
    "emoji": "👩‍👩‍👧‍👦 family 🇨🇭🏳️‍🌈.png",
    "long": "x" * 240 + ".tar.gz",
    "long, without Latin letters": "字" * 80 + ".txt",
    "many combining marks": "Z" + "\u0351\u0352\u0357\u0325\u0353" * 8 + "algo.txt",
    "decomposed": "cafe\u0301.txt",
    "spaces": "a      b   c.txt",
    "a direction override": "invoice\u202efdp.exe",
}
NAMES = (*LANGUAGES.values(), *HARD.values())
