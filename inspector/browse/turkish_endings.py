"""Turkish for the phrases of `formatting.py` about how a session ended."""

ENDINGS: dict[str, str] = {
    "still open": "hâlâ açık",
    "the recorder ended first": "önce kaydedici bitti",
    "recorder ended": "kaydedici bitti",
    "end not recorded": "bitişi kaydedilmedi",
    "continues in the next file": "sonraki dosyada sürüyor",
    "connection lost": "bağlantı koptu",
    "connection lost, without a close frame": "bağlantı koptu, kapanış çerçevesi yok",
    "connection lost on the side of the charge point, without a close frame": (
        "bağlantı istasyon tarafında koptu, kapanış çerçevesi yok"
    ),
    "connection lost on the side of the CSMS, without a close frame": (
        "bağlantı CSMS tarafında koptu, kapanış çerçevesi yok"
    ),
    "connection lost on the side of the proxy, without a close frame": (
        "bağlantı vekil sunucu tarafında koptu, kapanış çerçevesi yok"
    ),
    "charge point closed it": "istasyon kapattı",
    "CSMS closed it": "CSMS kapattı",
    "proxy closed it": "vekil sunucu kapattı",
    "proxy": "vekil sunucu",
    "closed by the charge point": "istasyon kapattı",
    "closed by the CSMS": "CSMS kapattı",
    "closed by the proxy": "vekil sunucu kapattı",
    "closed by an unknown side": "bilinmeyen bir taraf kapattı",
    "closed normally": "olağan kapandı",
    "closed normally by the charge point": "istasyon olağan biçimde kapattı",
    "closed normally by the CSMS": "CSMS olağan biçimde kapattı",
    "closed normally by the proxy": "vekil sunucu olağan biçimde kapattı",
    "normal": "olağan",
    "going away": "ayrılıyor",
    "protocol error": "protokol hatası",
    "unsupported data": "desteklenmeyen veri",
    "no code given": "kod verilmedi",
    "invalid data": "geçersiz veri",
    "policy violation": "ilke ihlali",
    "message too big": "mesaj çok büyük",
    "internal error": "iç hata",
    "restarting": "yeniden başlıyor",
    "try again later": "sonra yeniden dene",
}
